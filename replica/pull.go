package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
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
	case p.m.refuses(it, p.mine.policy()):
		p.refused = true
	case len(p.missing) < maxMissing:
		p.missing = append(p.missing, it)
	}
}

// transfer asks for what is missing, in bounded requests. It begins anywhere in the list, so that pulls
// from several peers at once bring different things first, and asks again only for what is still missing.
func (p *pull) transfer(x *exchange) (large []want, err error) {
	start := rand.IntN(len(p.missing))
	rotated := slices.Concat(p.missing[start:], p.missing[:start])
	for part := range slices.Chunk(rotated, wire.MaxKeys) {
		more, err := p.request(x, part)
		if large = append(large, more...); err != nil {
			return large, err
		}
	}
	return large, nil
}

// want is an item that we asked for and the record that came.
type want struct {
	item wire.Item
	rec  trust.Record
}

// request asks for up to wire.MaxKeys items, when it is this peer's turn, and applies what comes inline.
func (p *pull) request(x *exchange, items []wire.Item) (large []want, err error) {
	select {
	case p.r.transfers <- struct{}{}:
		defer func() { <-p.r.transfers }()
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
	now := p.r.summaries.current()
	items = slices.DeleteFunc(items, func(it wire.Item) bool { return !lacks(now, it) })
	if len(items) == 0 {
		return nil, nil
	}
	asked := make(map[wire.Key]wire.Item, len(items))
	msg := wire.Want{}
	for _, it := range items {
		asked[it.Key] = it
		msg.Keys = append(msg.Keys, it.Key)
	}
	if err := x.send(msg); err != nil {
		return nil, err
	}
	large, err = p.readHeads(x, asked)
	if err != nil {
		return nil, err
	}
	for _, it := range asked { // what the peer listed and did not send
		p.m.refuse(it, p.mine.policy())
	}
	return large, nil
}

// readHeads reads the answer to a request, applies it in batches and takes what was answered out of asked.
func (p *pull) readHeads(x *exchange, asked map[wire.Key]wire.Item) (large []want, err error) {
	var small []want
	bytes, total, begun := 0, 0, time.Now()
	for {
		if time.Since(begun) > timeFor(total) {
			return nil, errors.Join(errTooSlow, p.apply(small))
		}
		m, err := x.receive(wire.MaxMessage, stepWithin)
		if err != nil {
			return nil, errors.Join(err, p.apply(small))
		}
		if _, end := m.(wire.End); end {
			return large, p.apply(small)
		}
		w, head, err := p.answered(m, asked)
		if err != nil {
			return nil, errors.Join(err, p.apply(small))
		}
		if w.rec, err = p.r.prove(head); err != nil || !p.r.fresh(w.rec) {
			p.decline(w, head.Name, err)
			continue
		}
		if _, ok := w.rec.Content(); !ok {
			large = append(large, w)
			continue
		}
		small, bytes, total = append(small, w), bytes+len(head.Content), total+len(head.Content)
		if bytes < batchBytes {
			continue
		}
		if err := p.apply(small); err != nil {
			return nil, err
		}
		small, bytes = nil, 0
	}
}

// answered finds which item a message answers; each may be answered once.
func (p *pull) answered(m wire.Message, asked map[wire.Key]wire.Item) (want, wire.Head, error) {
	head, ok := m.(wire.Head)
	if !ok {
		return want{}, head, fmt.Errorf("%w: %T where a head must be", wire.ErrMalformed, m)
	}
	key := wire.KeyOf(head.Name)
	it, ok := asked[key]
	if !ok {
		return want{}, head, fmt.Errorf("%w: a head that nobody asked for", wire.ErrMalformed)
	}
	delete(asked, key)
	return want{item: it}, head, nil
}

// decline remembers an item that was refused with err or, without one, is not news.
func (p *pull) decline(w want, name string, err error) {
	p.m.refuse(w.item, p.mine.policy())
	if err != nil {
		p.r.noteRefusal(p.m.id, name, err)
	}
}

// apply proposes records to the index and remembers those that it does not take.
func (p *pull) apply(wants []want) error {
	if len(wants) == 0 {
		return nil
	}
	recs := make([]trust.Record, len(wants))
	for i, w := range wants {
		recs[i] = w.rec
	}
	outcomes, err := p.r.apply(p.m.id, recs)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range outcomes {
		if o.Err == nil {
			p.taken++
		} else {
			p.decline(wants[i], recs[i].Name().String(), o.Err)
		}
	}
	return nil
}

// fetchLarge fetches contents that were too long to travel inline, two at a time.
func (p *pull) fetchLarge(large []want) error {
	var group sync.WaitGroup
	errs := make([]error, 2)
	queue := make(chan want, len(large))
	for _, w := range large {
		queue <- w
	}
	close(queue)
	for i := range errs {
		group.Go(func() {
			for w := range queue {
				errs[i] = errors.Join(errs[i], p.fetchOne(w))
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// fetchOne fetches one content and applies it. Peers that lie about a content are not asked for it again.
func (p *pull) fetchOne(w want) error {
	if !p.r.fresh(w.rec) {
		return nil
	}
	whole, err := p.r.fetch(p.ctx, w.rec, p.m.id)
	if errors.Is(err, errNotHeld) || errors.Is(err, trust.ErrMismatch) {
		p.m.refuse(w.item, p.mine.policy())
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", w.rec.Name(), err)
	}
	w.rec = whole
	return p.apply([]want{w})
}
