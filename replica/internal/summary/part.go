package summary

import (
	"slices"

	"dmfs/replica/internal/wire"
)

// Part is what a tree has below a prefix.
type Part struct{ node *node }

// At returns what is below a prefix.
func (t Tree) At(p wire.Prefix) Part {
	n := t.root
	for depth := uint8(0); depth < p.Depth; depth++ {
		switch {
		case n == nil:
			return Part{}
		case n.children == nil:
			return Part{leaf(slices.DeleteFunc(slices.Clone(n.entries), func(e Entry) bool { return !p.Holds(e.Key) }))}
		}
		n = n.children[p.Bits.Half(depth)]
	}
	return Part{n}
}

// Hash returns the hash of the part.
func (p Part) Hash() wire.Hash { return p.node.sum() }

// Message returns what answers a peer that looks at the part: a Node or a Leaf.
func (p Part) Message() wire.Message {
	if p.node != nil && p.node.children != nil {
		return wire.Node{Children: sums(p.node.children)}
	}
	return wire.Leaf{Items: p.Items()}
}

// Items returns the items of a part that is a leaf, else none.
func (p Part) Items() []wire.Item {
	if p.node == nil {
		return nil
	}
	items := make([]wire.Item, len(p.node.entries))
	for i, e := range p.node.entries {
		items[i] = e.Item()
	}
	return items
}
