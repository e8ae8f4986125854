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
		groups = append(groups, f.changes())
	}
	return groups
}

// settle makes the table what p says (I10), and changes of what that alters.
func (ix *Index) settle(p *trust.Policy, groups [][]*change) error {
	b := ix.newBatch()
	b.policy, b.ledger = p, newLedger(nil)
	b.members = judgeMembers(p, b.members, b.now)
	b.settleDirs(groups)
	b.settleAll(groups, false)
	return b.commit()
}

// settleDirs makes the directories those of the policy and of held names.
func (b *batch) settleDirs(groups [][]*change) {
	b.dirs = map[string]uint64{}
	for _, dir := range b.policy.Dirs() {
		b.dirs[dir] = b.id(dir)
	}
	for _, ns := range b.policy.Namespaces() {
		links := ns + "/" + ByName
		b.dirs[links] = b.id(links)
	}
	slices.SortFunc(groups, byName)
	for _, g := range groups {
		b.discover(g[0].name)
	}
}

// settleAll judges names. What is not withheld comes first, so that nothing returns in its way.
func (b *batch) settleAll(groups [][]*change, renewed bool) {
	slices.SortFunc(groups, func(x, y []*change) int {
		return cmp.Or(compareBool(x[len(x)-1].withheld, y[len(y)-1].withheld), byName(x, y))
	})
	for i, v := range b.prover().judgeAll(groups) {
		b.settle(groups[i], v, renewed)
	}
}

// byName orders groups.
func byName(x, y []*change) int { return cmp.Compare(x[0].name.String(), y[0].name.String()) }

// compareBool puts true after false.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// settle plans what a verdict alters of one name. What returns appears anew, as after a tombstone,
// unless its certificate was but renewed.
func (b *batch) settle(group []*change, v verdict, renewed bool) {
	held, past := group[len(group)-1], group[:len(group)-1]
	before := b.file(held.name)
	f := newFile(held, v.proof, past)
	b.put(b.booked(held.name), f)
	c := *v.best
	c.withheld, c.expired = v.record.IsZero() || v.over, v.over
	if held.withheld && b.blocked(&c) {
		c.withheld = true
	}
	if v.best == held && c.withheld == held.withheld && c.expired == held.expired && alike(before, f) {
		return
	}
	if anew := !renewed || v.best != held; anew && !c.withheld {
		c.inode = 0
	}
	b.add(&c, v.proof, f)
}

// alike reports whether others see the same of a held version before and after. What is over may be
// admitted by then or no longer, which no flag of its row says; at Open there is nobody who saw it.
func alike(before, after *file) bool {
	return before == nil || before.Record.IsZero() == after.Record.IsZero()
}

// booked returns what the batch's ledger knows of a name, or nil.
func (b *batch) booked(n trust.Name) *file {
	if b.ledger.base == nil {
		return b.files[n]
	}
	return b.file(n)
}

// blocked reports whether another name is in the way of one that returns.
func (b *batch) blocked(c *change) bool {
	o, ok := ownerOf(b.policy, c.name)
	return ok && b.clear(o, c) != nil
}

// A verdict is what a policy says of a name's stored versions.
type verdict struct {
	best *change
	proof
}

// A prover proves stored versions.
type prover struct {
	policy  *trust.Policy
	members roster
	now     time.Time
}

// prover proves what is stored by what is in force.
func (ix *Index) prover() prover {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return prover{ix.policy, ix.members, ix.now()}
}

func (b *batch) prover() prover { return prover{b.policy, b.members, b.now} }

// judgeAll judges all names, on all processors when there are many.
func (p prover) judgeAll(groups [][]*change) []verdict {
	verdicts := make([]verdict, len(groups))
	share := max(64, len(groups)/runtime.GOMAXPROCS(0)+1)
	var workers sync.WaitGroup
	for from := 0; from < len(groups); from += share {
		workers.Go(func() {
			for i := from; i < min(from+share, len(groups)); i++ {
				verdicts[i] = p.judge(groups[i])
			}
		})
	}
	workers.Wait()
	return verdicts
}

// judge finds the winner among the versions that the policy admits. Without any, the held one stays,
// withheld. Superseded versions are proved only when they could win: they can when a policy that did
// not admit them, or does no longer admit what superseded them, was in force in between.
func (p prover) judge(group []*change) verdict {
	held := group[len(group)-1]
	v := verdict{held, proof{over: held.expired}}
	for _, c := range slices.Backward(group) {
		if c.version < v.standing.Version() {
			continue
		}
		found := p.prove(c)
		if !found.standing.IsZero() && (v.standing.IsZero() || trust.Compare(found.standing, v.standing) > 0) {
			v = verdict{c, found}
		}
	}
	return v
}

// prove proves a stored version. One whose lifetime is over still wins over what it superseded, else
// that would come back, though its certificate be over too: it was valid when the version came.
func (p prover) prove(c *change) (found proof) {
	at := later(p.now, c.since) // a clock that went back hides nothing
	r, err := p.verify(c, at)
	found = proof{record: r, standing: r}
	if r.IsZero() && errors.Is(err, trust.ErrExpired) {
		found.standing, _ = p.verify(c, c.since)
	}
	found.over = c.expired || ended(found.standing, at)
	if r.IsZero() && !found.over || found.standing.Version() != c.version || found.standing.Deleted() != c.deleted {
		return proof{over: c.expired}
	}
	return found
}

// verify proves a stored version as of some moment.
func (p prover) verify(c *change, at time.Time) (trust.Record, error) {
	head := trust.NewHead(c.name, c.signature, c.digest)
	if _, k, ok := p.policy.Namespace(c.name); ok {
		head = head.WithCertificate(p.members.byKey[k].chain)
	}
	return p.policy.Verify(head, at)
}
