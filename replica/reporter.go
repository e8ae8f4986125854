package replica

import (
	"time"

	"dmfs/replica/internal/wire"
)

const (
	restFor         = 50 * time.Millisecond // after the last change: several often come together
	reportEvery     = time.Second           // at most,
	reportEveryPeer = time.Second / 10      // and at most so often for each peer that we know
)

// reportNews tells what we hold whenever that has changed, and has others told what they may not have
// heard. While nothing changes it does nothing.
func (r *Replica) reportNews() {
	for {
		tree, _, moved := r.summaries.newest()
		if r.outdated(tree.Hash()) {
			r.rest()
			r.report()
			r.pause()
		}
		select {
		case <-r.ctx.Done():
			return
		case <-moved:
		case <-r.restate:
		case <-r.tidings:
			r.tellOthers(nil)
			r.pause()
		}
	}
}

// outdated reports whether we have said something else than what is true, or nothing.
func (r *Replica) outdated(root wire.Hash) bool {
	own, ok := r.book.get(r.host.ID())
	said := own.holds.said
	return ok && (said.Moment == 0 || said.Root != root || said.Agent != r.author.agent)
}

// rest waits until nothing has changed for a moment, or for no longer than a report may be late.
func (r *Replica) rest() {
	late := time.After(reportEvery)
	for {
		_, _, moved := r.summaries.newest()
		select {
		case <-r.ctx.Done():
			return
		case <-moved:
		case <-time.After(restFor):
			return
		case <-late:
			return
		}
	}
}

// pause waits as long as there has to be between two of the reporter's deeds.
func (r *Replica) pause() {
	select {
	case <-r.ctx.Done():
	case <-time.After(max(reportEvery, time.Duration(r.book.len())*reportEveryPeer)):
	}
}

// report signs and gossips what we hold.
func (r *Replica) report() {
	id := r.host.ID()
	own, _ := r.book.get(id)
	root := r.summaries.current(r.ctx).Hash()
	rep := r.author.report(root, r.now(), own.holds.said)
	r.book.update(id, func(c *contact) { c.holds.said = rep })
	if err := r.gossip(r.ctx, wire.Encode(rep)); err != nil {
		r.log.Debug("report not gossiped", "err", err)
	}
}
