package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxAtOnce = 4                      // peers that send one content
	helpAfter = 200 * time.Millisecond // are the others asked, too
)

var errEnough = errors.New("nothing more is wanted")

// jointFetch is one fetch of one content: from one peer and, unless it comes at once, from some others, too. What one does not send, another one is asked for.
type jointFetch struct {
	r    *Replica
	rec  trust.Record
	p    patience
	part *part
	sole bool // nobody helps

	stop    context.CancelFunc
	group   sync.WaitGroup
	help    sync.Once
	entered bool         // one of r.downloads; before that nobody helps
	sending atomic.Int32 // peers that we are served by
	doubt   atomic.Bool  // peers do not agree on the size

	mu     sync.Mutex
	peers  []*member // that may be asked,
	queue  []*member // and those of them that were not yet
	asked  bool      // the first of them
	failed error     // of the first one
}

// fetchJointly fetches a content from peers, and has no more than a certain patience with each. The error is that of
// the first one.
func (r *Replica) fetchJointly(ctx context.Context, rec trust.Record, from []*member, p patience) (trust.Record, error) {
	j := &jointFetch{r: r, rec: rec, p: p, part: r.fetches.resume(rec.Digest())}
	defer func() {
		if j.entered {
			<-r.downloads
		}
	}()
	err := j.run(ctx, from)
	whole, wrong := trust.Record{}, false
	if err == nil {
		whole, err = j.complete()
		wrong = errors.Is(err, trust.ErrMismatch)
	}
	switch {
	case ctx.Err() == nil && (wrong || j.doubt.Load()):
		against := j.part.evidence()
		if whole, err = j.oneByOne(ctx, j.peers); err == nil {
			content, _ := whole.Content()
			j.accuse(fmt.Errorf("%w: a part of it", trust.ErrMismatch), against.liars(content)...)
		}
	case err != nil && !j.part.whole():
		r.fetches.keep(rec.Digest(), j.part)
	}
	return whole, err
}

// oneByOne finds out who sends something else than what was asked for, by having each one send all of it.
func (j *jointFetch) oneByOne(ctx context.Context, from []*member) (whole trust.Record, err error) {
	failed := errNoPeer
	j.sole = true
	for i, m := range from {
		j.part = newPart()
		if err = j.run(ctx, []*member{m}); err == nil {
			whole, err = j.complete()
		}
		if err == nil || errors.Is(err, errNotUnderstood) {
			return whole, err // no other peer has it in other words
		}
		if i == 0 {
			failed = err
		}
	}
	return trust.Record{}, failed
}

// run asks peers until all is here, or all were asked.
func (j *jointFetch) run(ctx context.Context, from []*member) error {
	ctx, j.stop = context.WithCancel(ctx)
	defer j.stop()
	j.peers, j.queue, j.asked, j.failed = slices.Clone(from), slices.Clone(from), false, errNoPeer
	j.doubt.Store(false)
	j.group.Go(func() { j.work(ctx) })
	j.group.Wait()
	switch {
	case j.part.whole():
		return nil
	case j.failed != nil:
		return j.failed
	}
	return ctx.Err()
}

// work asks one peer after the other, each for as much as there is.
func (j *jointFetch) work(ctx context.Context) {
	for ctx.Err() == nil {
		m, first := j.next()
		if m == nil {
			return
		}
		err := j.askQuickly(ctx, m, j.patienceWith(first))
		if first {
			j.failed = err
		}
		if err == nil {
			return
		}
		j.r.log.Debug("no content from this peer", "name", j.rec.Name(), "peer", m.id, "err", err)
		if ctx.Err() == nil {
			j.r.blameFor(m.id, err)
		}
	}
}

// next returns the next peer to ask, nil when all were, and whether that is the first.
func (j *jointFetch) next() (m *member, first bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 {
		return nil, false
	}
	first, j.asked = !j.asked, true
	m, j.queue = j.queue[0], j.queue[1:]
	return m, first
}

// patienceWith is less with those who only help.
func (j *jointFetch) patienceWith(first bool) patience {
	if j.p == much && !first {
		return some
	}
	return j.p
}

// askQuickly passes over a peer that was of no use a moment ago, unless there is patience.
func (j *jointFetch) askQuickly(ctx context.Context, m *member, p patience) error {
	if p != little {
		return j.ask(ctx, m, p)
	}
	if m.isAvoided() {
		return errTooSlow
	}
	err := j.ask(ctx, m, p)
	if late(err) || errors.Is(err, errNoTurn) || errors.Is(err, wire.ErrMalformed) {
		m.avoid()
	}
	if late(err) {
		err = errors.Join(errTooSlow, err)
	}
	return err
}

// ask asks one peer until all is here. Waiting for the peer's turn comes first, so that a slow peer keeps only
// those waiting who want something from it, and those with little patience not for long.
func (j *jointFetch) ask(ctx context.Context, m *member, p patience) error {
	turn, cancel := ctx, context.CancelFunc(func() {})
	if p != much {
		turn, cancel = context.WithTimeout(ctx, p.answer)
	}
	defer cancel()
	select {
	case m.downloads <- struct{}{}:
		defer func() { <-m.downloads }()
	case <-turn.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errNoTurn
	}
	if err := j.enter(ctx); err != nil {
		return err
	}
	j.sending.Add(1)
	defer j.sending.Add(-1)
	for s := j.part.take(ctx); s != nil; s = j.part.take(ctx) {
		err := j.download(ctx, m.id, s, p)
		j.part.give(s)
		if errors.Is(err, errOtherSize) {
			j.doubt.Store(true)
			j.stop()
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// enter waits until there is room for the content.
func (j *jointFetch) enter(ctx context.Context) error {
	if j.entered {
		return nil
	}
	select {
	case j.r.downloads <- struct{}{}:
		j.entered = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// download has a peer send a span.
func (j *jointFetch) download(ctx context.Context, id peer.ID, s *span, p patience) (err error) {
	x, err := j.r.open(ctx, id, j.r.names.fetch)
	if err != nil {
		return err
	}
	defer func() { x.end(err) }()
	ask := wire.Ask{Key: wire.KeyOf(j.rec.Name().String()), Digest: j.rec.Digest(), From: uint32(s.at)}
	if err := x.send(ask); err != nil {
		return err
	}
	offer, err := expect[wire.Offer](x, wire.MaxRequest, p.answer)
	if err != nil {
		return err
	}
	if !offer.Held {
		return errNotHeld
	}
	if err := j.part.resize(int(offer.Size), id); err != nil {
		return err
	}
	return j.body(ctx, x, s, p)
}

// callHelp has other peers asked, too, also those that came meanwhile.
func (j *jointFetch) callHelp(ctx context.Context) {
	j.mu.Lock()
	for _, m := range j.r.sources("") {
		if len(j.peers) < maxSources && !slices.Contains(j.peers, m) {
			j.peers, j.queue = append(j.peers, m), append(j.queue, m)
		}
	}
	j.mu.Unlock()
	for range maxAtOnce - 1 {
		j.group.Go(func() { j.work(ctx) })
	}
}

// body reads raw bytes. Each chunk has its time, in which those before it on this stream count. Where there is
// little of it, several peers have as many times as long, as they share what we can take.
func (j *jointFetch) body(ctx context.Context, x *exchange, s *span, p patience) error {
	defer context.AfterFunc(ctx, func() { x.end(ctx.Err()) })()
	begun, got := time.Now(), 0
	for room := j.part.room(s); len(room) > 0; room = j.part.room(s) {
		n := got + len(room)
		if p == little {
			n *= int(j.sending.Load())
		}
		deadline := begun.Add(p.timeFor(n))
		if step := time.Now().Add(stepWithin); step.Before(deadline) {
			deadline = step
		}
		if err := x.stream.SetReadDeadline(deadline); err != nil {
			return err
		}
		n, err := io.ReadFull(x.r, room)
		j.part.came(s, n, x.peer)
		if got += n; err != nil {
			return err
		}
		x.heard()
		if !j.sole && time.Since(begun) > helpAfter {
			j.help.Do(func() { j.callHelp(ctx) })
		}
	}
	if j.part.cut(s) {
		x.end(errEnough) // the peer would go on
	}
	return nil
}
