package index

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"dmfs/trust"
)

// groups returns each name's stored versions, oldest change first; the last one is held.
func (ix *Index) groups() [][]*change {
	groups := make([][]*change, 0, len(ix.files))
	for _, f := range ix.files {
		groups = append(groups, append(slices.Clip(f.past), f.held))
	}
	return groups
}

// settle makes the table what p says (I10), and changes of what that alters.
func (ix *Index) settle(p *trust.Policy, groups [][]*change) error {
	b := ix.newBatch()
	b.policy = p
	slices.SortFunc(groups, func(x, y []*change) int { return cmp.Compare(x[0].name.String(), y[0].name.String()) })
	b.settleDirs(groups)
	for i, v := range judgeAll(p, groups, b.now) {
		b.settle(groups[i], v)
	}
	return b.commit()
}

// settleDirs makes the directories those of the policy and of held names.
func (b *batch) settleDirs(groups [][]*change) {
	b.dirs = map[string]uint64{}
	for _, dir := range b.policy.Dirs() {
		b.dirs[dir] = b.id(dir)
	}
	for _, g := range groups {
		b.discover(g[0].name)
	}
}

// settle plans what a verdict alters of one name.
func (b *batch) settle(group []*change, v verdict) {
	held, past := group[len(group)-1], group[:len(group)-1]
	f := newFile(held, v.record, past)
	b.files[held.name] = f
	if v.best == held && v.withheld == held.withheld {
		return
	}
	c := *v.best
	c.withheld = v.withheld
	if !c.withheld {
		c.inode = 0 // it appears anew, as after a tombstone
	}
	b.add(&c, v.record, f)
}

// A verdict is what a policy says of a name's stored versions.
type verdict struct {
	best     *change
	record   trust.Record // zero when none is admitted
	withheld bool
}

// judgeAll judges all names, on all processors when there are many.
func judgeAll(p *trust.Policy, groups [][]*change, now time.Time) []verdict {
	verdicts := make([]verdict, len(groups))
	share := max(64, len(groups)/runtime.GOMAXPROCS(0)+1)
	var workers sync.WaitGroup
	for from := 0; from < len(groups); from += share {
		workers.Go(func() {
			for i := from; i < min(from+share, len(groups)); i++ {
				verdicts[i] = judge(p, groups[i], now)
			}
		})
	}
	workers.Wait()
	return verdicts
}

// judge finds the winner among the versions that p admits. Without any, the held one stays, withheld.
// Superseded versions are proved only when they could win: they can when a policy that did not admit
// them, or does no longer admit what superseded them, was in force in between.
func judge(p *trust.Policy, group []*change, now time.Time) verdict {
	v := verdict{best: group[len(group)-1], withheld: true}
	for _, c := range slices.Backward(group) {
		if !v.record.IsZero() && c.version < v.record.Version() {
			continue
		}
		r, over := prove(p, c, now)
		if !r.IsZero() && (v.record.IsZero() || trust.Compare(r, v.record) > 0) {
			v = verdict{best: c, record: r, withheld: over}
		}
	}
	return v
}

// prove proves a stored version. One whose lifetime is over still wins over what it superseded, else
// that would come back: it has a record, and over is true.
func prove(p *trust.Policy, c *change, now time.Time) (r trust.Record, over bool) {
	head := trust.NewHead(c.name, c.signature, c.digest)
	r, err := p.Verify(head, now)
	if errors.Is(err, trust.ErrExpired) {
		r, err = p.Verify(head, c.version.Time())
		over = true
	}
	if err != nil || r.Version() != c.version {
		return trust.Record{}, false
	}
	return r, over
}
