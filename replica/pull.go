package replica

import (
	"context"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
)

const (
	maxAsked     = 4096 // items asked for in one pull; the next pull asks for more
	maxLarge     = 256  // contents to be fetched that a pull finds before it fetches them
	maxAgain     = 32   // items asked for at once that another peer was asked for
	maxTransfers = 3    // peers that send us heads at once
	firstPause   = 200 * time.Millisecond
	longestPause = 3 * time.Second
)

// tend pulls from a member whenever there may be something, until the session ends. A pull that failed
// is tried again, and after one that brought nothing the next one waits longer.
func (r *Replica) tend(session context.Context, m *member) {
	r.spawn(func() { r.watch(session, m) })
	for range maxDownloadsOfOne {
		r.spawn(func() { r.fetchBodies(session, m) })
	}
	var pause time.Duration
	for {
		quiet := time.Now()
		select {
		case <-session.Done():
			return
		case <-m.pull:
		}
		if time.Since(quiet) > longestPause {
			pause = 0
		}
		idle := r.pullFrom(session, m)
		idle = r.meetOften(session, m) || idle
		pause = nextPause(pause, idle)
		select {
		case <-session.Done():
			return
		case <-time.After(pause):
		}
	}
}

func nextPause(pause time.Duration, idle bool) time.Duration {
	if !idle {
		return 0
	}
	return min(max(2*pause, firstPause), longestPause)
}

// pullFrom pulls once, has another pull follow if need be, and reports whether this one was of no use.
func (r *Replica) pullFrom(session context.Context, m *member) (idle bool) {
	p := &pull{r: r, m: m, ctx: session, mine: r.summaries.current(session)}
	err := p.run()
	if err != nil && session.Err() == nil {
		r.log.Debug("pull failed", "peer", m.id, "err", err)
		r.blameFor(m.id, err)
	}
	if err != nil || p.asked > 0 {
		notify(m.pull)
	}
	if p.taken > 0 {
		r.log.Info("caught up", "peer", m.id, "records", p.taken)
		r.tellOthers(m)
	}
	return p.taken == 0 && !p.equal
}

// tellOthers shows all other peers that we have changed, by pulling from them. What came by sync is not
// gossiped, and they may not be connected to where it came from.
func (r *Replica) tellOthers(m *member) {
	for _, other := range r.members.connected(true) {
		if other != m {
			notify(other.pull)
		}
	}
}

// pull is one comparison with one peer and the transfer that follows from it.
type pull struct {
	r    *Replica
	m    *member
	ctx  context.Context
	mine snapshot

	equal bool
	asked int         // items
	later []wire.Item // that other peers were asked for already
	large []want      // proved, and their contents are still to be fetched

	mu    sync.Mutex
	taken int // records that the index took
}

func (p *pull) run() error {
	if err := p.converse(); err != nil {
		return err
	}
	return p.fetchLarge(p.large)
}

// converse is the whole stream.
func (p *pull) converse() (err error) {
	x, err := p.r.open(p.ctx, p.m.id, p.r.names.sync)
	if err != nil {
		return err
	}
	defer func() { x.end(err) }()
	c := &comparison{x: x, r: p.r, m: p.m, mine: p.mine, bait: true}
	equal, done, err := c.greet()
	if err == nil {
		p.r.hears(p.m.id, c.theirs)
	}
	if equal {
		p.equal = true
		p.m.compared(true)
	}
	if done || err != nil {
		p.noteWhole(c.short || err != nil)
		return err
	}
	whole, err := c.walk(func(items []wire.Item) (bool, error) { return p.take(x, items) })
	if err == nil {
		err = p.takeLater(x)
	}
	if err != nil {
		return err
	}
	p.noteWhole(whole.short || p.asked > 0)
	p.m.compared(p.asked == 0 && whole.refused)
	return nil
}

// noteWhole notes that the peer has all that we have, unless it may be short of something. Its root does
// not say so when it has more.
func (p *pull) noteWhole(short bool) {
	if !short {
		p.r.account(p.m.id, func(h holding) holding { return h.having(p.mine.seq, time.Now()) })
	}
}
