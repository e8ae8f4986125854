package replica

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
)

const (
	maxMissing   = 4096    // items asked for in one pull; the next pull asks for more
	maxListed    = 1 << 17 // items that a peer may list; a policy has at most half of that
	maxTransfers = 3       // peers that send us heads at once
	firstPause   = 200 * time.Millisecond
	longestPause = 3 * time.Second
)

// tend pulls from a member whenever there may be something, until the session ends. A pull that failed
// is tried again, and after one that brought nothing the next one waits longer.
func (r *Replica) tend(session context.Context, m *member) {
	r.spawn(func() { r.watch(session, m) })
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
		pause = nextPause(pause, r.pullFrom(session, m))
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
	p := &pull{r: r, m: m, ctx: session, mine: r.summaries.current()}
	err := p.run()
	if err != nil && session.Err() == nil {
		r.log.Debug("pull failed", "peer", m.id, "err", err)
	}
	if err != nil || len(p.missing) > 0 {
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
	mine summary

	theirs  wire.Root
	equal   bool
	missing []wire.Item // at most maxMissing
	refused bool        // the peer lists what it cannot give us

	mu    sync.Mutex
	taken int // records that the index took
}

func (p *pull) run() error {
	large, err := p.converse()
	if err != nil {
		return err
	}
	return p.fetchLarge(large)
}

// converse is the whole stream. It returns proved records whose content is still to be fetched.
func (p *pull) converse() (large []want, err error) {
	x, err := p.r.open(p.ctx, p.m.id, p.r.names.sync)
	if err != nil {
		return nil, err
	}
	defer func() { x.end(err) }()
	done, err := p.greet(x)
	if done || err != nil {
		return nil, err
	}
	if err := p.readPages(x); err != nil {
		return nil, err
	}
	if len(p.missing) == 0 {
		p.m.settle(p.mine, p.theirs.Root)
		p.m.compared(p.refused)
		return nil, nil
	}
	p.m.compared(false)
	return p.transfer(x)
}

// greet compares the roots and reports whether that is all.
func (p *pull) greet(x *exchange) (done bool, err error) {
	mine, settled := p.mine.root(), p.m.settledWith(p.mine)
	if err := x.send(wire.Hello{Root: mine.Root, Count: mine.Count, Settled: settled}); err != nil {
		return false, err
	}
	if p.theirs, err = expect[wire.Root](x, wire.MaxRequest, answerWithin); err != nil {
		return false, err
	}
	if p.equal = p.theirs == mine; p.equal {
		p.m.compared(true)
	}
	return p.equal || p.theirs.Root == settled, nil
}

// readPages reads what the peer lists and notes what is missing here.
func (p *pull) readPages(x *exchange) error {
	var last wire.Key
	for listed := 0; ; {
		page, err := expect[wire.Page](x, wire.MaxMessage, stepWithin)
		if err != nil {
			return err
		}
		if listed += len(page.Items); listed > maxListed {
			return fmt.Errorf("%w: endless list", wire.ErrMalformed)
		}
		for i, it := range page.Items {
			if (listed > len(page.Items) || i > 0) && bytes.Compare(last[:], it.Key[:]) >= 0 {
				return fmt.Errorf("%w: pages out of order", wire.ErrMalformed)
			}
			last = it.Key
			p.consider(it)
		}
		if page.Last {
			return nil
		}
	}
}

func (p *pull) consider(it wire.Item) {
	switch {
	case !lacks(p.mine, it):
	case p.m.refuses(it, p.mine.policy(), p.r.now()):
		p.refused = true
	case len(p.missing) < maxMissing:
		p.missing = append(p.missing, it)
	}
}
