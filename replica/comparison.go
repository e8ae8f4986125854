package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
)

// maxLooked bounds the prefixes looked at in one comparison; a policy has half as many names.
const maxLooked = 1 << 17

// comparison finds what a peer lists and we lack. It holds a few prefixes of each depth, whatever differs.
type comparison struct {
	x    *exchange
	r    *Replica
	m    *member
	mine snapshot
	bait bool // the peer may be shown one

	theirs wire.Hash
	short  bool      // the peer lacks something of ours, or may lack it
	open   []*branch // to be looked at, the deepest ones last
	looked int
	found  []wire.Item // lacking and not handed on yet
	first  int         // of sixteen parts: pulls from several peers at once bring different things first
}

// branch is a part that differs.
type branch struct {
	above        *branch // nil for the whole
	prefix       wire.Prefix
	mine, theirs wire.Hash
	unfinished   int  // parts of it
	lacking      bool // something was found in it
	refused      bool // something in it is not to be had
	short        bool // the peer lacks something in it, or may lack it
}

// greet compares the whole, and reports whether that was all: both are equal, or nothing can be taken.
func (c *comparison) greet() (equal, done bool, err error) {
	shown := bait{root: c.mine.Hash()}
	if c.bait {
		shown = baitFor(c.m, shown.root)
	}
	if err := c.x.send(wire.Root{Hash: shown.root}); err != nil {
		return false, false, err
	}
	theirs, err := expect[wire.Root](c.x, wire.MaxRequest, answerWithin)
	if err != nil {
		return false, false, err
	}
	if err := shown.answered(c.m, theirs.Hash); err != nil {
		return false, false, err
	}
	c.theirs, c.first = theirs.Hash, rand.IntN(16)
	before, settled := c.settledWith(c.mine.Hash(), c.theirs)
	equal = c.theirs == c.mine.Hash()
	c.short = !equal && (!settled || before.short)
	return equal, equal || settled, nil
}

func (c *comparison) settledWith(mine, theirs wire.Hash) (settlement, bool) {
	return c.m.settledWith([2]wire.Hash{mine, theirs}, c.mine.policy, c.r.now())
}

// walk hands what is lacking to take, at most wire.MaxKeys items at once, until take wants no more. It
// returns what became of the whole.
func (c *comparison) walk(take func([]wire.Item) (more bool, err error)) (*branch, error) {
	whole := &branch{mine: c.mine.Hash(), theirs: c.theirs}
	if c.theirs == (wire.Hash{}) {
		whole.short = true
		c.finish(whole)
		return whole, nil
	}
	c.open = []*branch{whole}
	for len(c.open) > 0 {
		if err := c.look(); err != nil {
			return nil, err
		}
		for len(c.found) >= wire.MaxKeys || len(c.found) > 0 && len(c.open) == 0 {
			n := min(len(c.found), wire.MaxKeys)
			part := slices.Clone(c.found[:n])
			c.found = slices.Delete(c.found, 0, n)
			if more, err := take(part); err != nil || !more {
				return whole, err
			}
		}
	}
	return whole, nil
}

// look asks for the newest branches, in one round.
func (c *comparison) look() error {
	from := max(0, len(c.open)-wire.MaxLook)
	asked := slices.Clone(c.open[from:])
	c.open = c.open[:from]
	if c.looked += len(asked); c.looked > maxLooked {
		return fmt.Errorf("%w: endless summary", wire.ErrMalformed)
	}
	var look wire.Look
	for _, b := range asked {
		look.Prefixes = append(look.Prefixes, b.prefix)
	}
	if err := c.x.send(look); err != nil {
		return err
	}
	for _, b := range asked {
		m, err := c.x.receive(wire.MaxPart, stepWithin)
		if err != nil {
			return err
		}
		if err := c.answered(b, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) answered(b *branch, m wire.Message) error {
	switch m := m.(type) {
	case wire.Node:
		return c.descend(b, m)
	case wire.Leaf:
		return c.list(b, m.Items)
	}
	return fmt.Errorf("%w: %T where a part must be", wire.ErrMalformed, m)
}

// descend opens the parts of a branch that differ.
func (c *comparison) descend(b *branch, n wire.Node) error {
	if b.prefix.Depth == wire.MaxDepth {
		return fmt.Errorf("%w: a summary too deep", wire.ErrMalformed)
	}
	for i := range n.Children {
		half := (c.first + i) % 16
		prefix, theirs := b.prefix.Child(half), n.Children[half]
		mine := c.mine.At(prefix).Hash()
		if theirs == mine {
			continue
		}
		if theirs == (wire.Hash{}) {
			b.short = true
			continue
		}
		if before, settled := c.settledWith(mine, theirs); settled {
			b.refused, b.short = b.refused || before.refused, b.short || before.short
			continue
		}
		c.open = append(c.open, &branch{above: b, prefix: prefix, mine: mine, theirs: theirs})
		b.unfinished++
	}
	c.finish(b)
	return nil
}

// list considers all that the peer has in a branch. When every tag agrees though the hashes do not, some
// tags lie: a signer can make two versions whose tags are equal, and no two with one stamp.
func (c *comparison) list(b *branch, items []wire.Item) error {
	agree := slices.Equal(items, c.mine.At(b.prefix).Items())
	b.short = agree || short(c.mine.At(b.prefix), items)
	for _, it := range items {
		switch {
		case !b.prefix.Holds(it.Key):
			return fmt.Errorf("%w: an item in the wrong place", wire.ErrMalformed)
		case !agree && !lacks(c.mine.Tree, it):
		case c.m.refuses(it, c.mine.policy, c.r.now()):
			b.refused = true
		default:
			b.lacking = true
			c.found = append(c.found, it)
		}
	}
	c.finish(b)
	return nil
}

// finish settles a branch all of whose parts were looked at, if nothing was found there, and those above.
func (c *comparison) finish(b *branch) {
	for b.unfinished == 0 {
		if !b.lacking {
			c.m.settle([2]wire.Hash{b.mine, b.theirs}, settlement{c.mine.policy, c.r.now(), b.refused, b.short})
		}
		if b.above == nil {
			return
		}
		b.above.lacking = b.above.lacking || b.lacking
		b.above.refused = b.above.refused || b.refused
		b.above.short = b.above.short || b.short
		b.above.unfinished--
		b = b.above
	}
}

// short reports whether somebody who has these items lacks something of ours, or may lack it: of two
// versions of one time either may win.
func short(mine summary.Part, items []wire.Item) bool {
	theirs := make(map[wire.Key]wire.Item, len(items))
	for _, it := range items {
		theirs[it.Key] = it
	}
	leaf, ok := mine.Message().(wire.Leaf)
	return !ok || slices.ContainsFunc(leaf.Items, func(it wire.Item) bool {
		have, ok := theirs[it.Key]
		return !ok || have.Version < it.Version || have.Version == it.Version && have.Tag != it.Tag
	})
}
