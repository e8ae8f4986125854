package replica

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// take asks for items and applies what comes, and reports whether there is room for more. What another peer
// was asked for is left for the end.
func (p *pull) take(x *exchange, items []wire.Item) (more bool, err error) {
	p.asked += len(items)
	mine, theirs := p.r.claims.split(items)
	defer p.r.claims.release(mine)
	p.later = append(p.later, theirs...)
	err = p.request(x, mine)
	return p.asked < maxAsked && len(p.large) < maxLarge, err
}

// takeLater asks for what other peers have not sent meanwhile, not for much at once as they may go on.
func (p *pull) takeLater(x *exchange) error {
	for items := range slices.Chunk(p.later, maxAgain) {
		if err := p.request(x, items); err != nil {
			return err
		}
	}
	return nil
}

// want is an item that we asked for and the record that came.
type want struct {
	item wire.Item
	rec  trust.Record
}

// request asks for up to wire.MaxKeys items, when it is this peer's turn, and applies what comes inline.
func (p *pull) request(x *exchange, items []wire.Item) error {
	select {
	case p.r.transfers <- struct{}{}:
		defer func() { <-p.r.transfers }()
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
	now := p.r.summaries.current(p.ctx)
	items = slices.DeleteFunc(items, func(it wire.Item) bool { return p.had(now, it) })
	if len(items) == 0 {
		return nil
	}
	want, asked := asking(items)
	if err := x.send(want); err != nil {
		return err
	}
	large, err := p.readHeads(x, asked)
	if err != nil {
		return err
	}
	p.large = append(p.large, large...)
	for _, it := range asked { // what the peer listed and did not send
		p.refuse(it, time.Time{})
		p.r.blame(p.m.id, faultPromise, nil)
	}
	return nil
}

// readHeads reads the answer to a request, applies it in batches and takes what was answered out of asked.
func (p *pull) readHeads(x *exchange, asked map[wire.Key]wire.Item) (large []want, err error) {
	var small []want
	bytes, total, begun := 0, 0, time.Now()
	for {
		if time.Since(begun) > much.timeFor(total) {
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
		var over bool
		if w.rec, over, err = p.r.prove(head); err == nil {
			err = p.r.chargeSync(w.rec)
		}
		p.r.blameFuture(head, err)
		if err != nil || !p.r.fresh(w.rec) {
			p.r.noteContradiction(p.m.id, w.rec)
			p.decline(w, head.Name, head.Version, err)
			continue
		}
		if _, ok := w.rec.Content(); !ok && !over {
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
func (p *pull) decline(w want, name string, version int64, err error) {
	p.refuse(w.item, p.r.comesAt(version, err))
	switch {
	case err != nil:
		p.r.noteRefusal(p.m.id, name, err)
		p.r.blameForger(p.m.id, err)
	case version < w.item.Version:
		p.r.blame(p.m.id, faultPromise, nil)
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
		if o.Err == nil || errors.Is(o.Err, trust.ErrExpired) && !p.r.fresh(recs[i]) {
			p.taken++ // be it over, it is held
		} else {
			p.decline(wants[i], recs[i].Name().String(), int64(recs[i].Version()), o.Err)
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
	if errors.Is(err, errTooSlow) {
		whole, err = p.r.fetchPatiently(p.ctx, w.rec, p.m)
	}
	switch {
	case err != nil && p.r.ended(w.rec):
		return p.apply([]want{w})
	case errors.Is(err, errNotHeld), errors.Is(err, trust.ErrMismatch):
		ends := p.r.endsSoon(w.rec)
		p.refuse(w.item, ends)
		if errors.Is(err, errNotHeld) && ends.IsZero() {
			p.r.blame(p.m.id, faultPromise, err)
		}
	case errors.Is(err, errNotUnderstood):
		p.decline(w, w.rec.Name().String(), int64(w.rec.Version()), err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", w.rec.Name(), err)
	}
	w.rec = whole
	return p.apply([]want{w})
}

// had reports whether an item came from elsewhere since it was found to be lacking.
func (p *pull) had(now snapshot, it wire.Item) bool {
	before, _ := p.mine.Get(it.Key)
	after, _ := now.Get(it.Key)
	return before != after && !lacks(now.Tree, it)
}
