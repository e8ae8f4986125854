package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	chunk        = 64 << 10
	maxDownloads = 3 // contents in memory at once: three of 10 MiB

	maxDownloadsOfOne = 2                // of them from one peer, which so leaves room for others
	maxSources        = 8                // peers asked for one content
	avoidedFor        = 10 * time.Second // for how long one is not asked again that was of no use
)

var (
	errNotHeld = errors.New("peer does not have the content")
	errNoPeer  = errors.New("no peer is connected")
	errTooSlow = errors.New("peer is too slow")
	errNoTurn  = fmt.Errorf("%w with what it sends already", errTooSlow)

	errOtherSize = errors.New("peers offer contents of different sizes")
)

// patience is how long we wait for an offer, and what makes a transfer too slow.
type patience struct {
	answer time.Duration
	grace  time.Duration // for any transfer, and
	rate   int           // bytes per second that it must have on average beyond that
}

var (
	much   = patience{answerWithin, idleWithin, 16 << 10}
	little = patience{2 * time.Second, 2 * time.Second, 1 << 20} // while there may be others
)

// timeFor returns how long the transfer of n bytes may take.
func (p patience) timeFor(n int) time.Duration {
	return p.grace + time.Duration(n)*time.Second/time.Duration(p.rate)
}

// fetch returns the record with its content: from our own disk, from the peer that is said to have it, or
// from another one. When somebody else's fetch of it fails, the caller tries for itself.
func (r *Replica) fetch(ctx context.Context, rec trust.Record, from peer.ID) (trust.Record, error) {
	if content, err := r.ix.Content(rec.Digest()); err == nil {
		return complete(rec, content)
	}
	for {
		flight, mine := r.fetches.board(rec.Digest())
		if mine {
			return r.fly(ctx, flight, rec, from)
		}
		select {
		case <-flight.landed:
		case <-ctx.Done():
			return trust.Record{}, ctx.Err()
		}
		if flight.content != nil {
			return complete(rec, flight.content)
		}
	}
}

// fly does a flight.
func (r *Replica) fly(ctx context.Context, f *flight, rec trust.Record, from peer.ID) (trust.Record, error) {
	defer r.fetches.land(rec.Digest())
	whole, err := r.fetchAny(ctx, rec, from)
	f.content, _ = whole.Content()
	return whole, err
}

// fetchAny asks one peer after the other, each for what is missing, and has no patience with any. The error
// is that of the first.
func (r *Replica) fetchAny(ctx context.Context, rec trust.Record, from peer.ID) (trust.Record, error) {
	failed := errNoPeer
	for i, m := range r.sources(from) {
		whole, err := r.fetchQuickly(ctx, rec, m)
		if err == nil || errors.Is(err, errNotUnderstood) {
			return whole, err // no other peer has it in other words
		}
		r.log.Debug("no content from this peer", "name", rec.Name(), "peer", m.id, "err", err)
		if ctx.Err() == nil {
			r.blameFor(m.id, err)
		}
		if i == 0 {
			failed = err
		}
	}
	return trust.Record{}, failed
}

// fetchQuickly passes over a peer that was of no use a moment ago.
func (r *Replica) fetchQuickly(ctx context.Context, rec trust.Record, m *member) (trust.Record, error) {
	if m.isAvoided() {
		return trust.Record{}, errTooSlow
	}
	whole, err := r.fetchFrom(ctx, rec, m, little)
	if late(err) || errors.Is(err, trust.ErrMismatch) || errors.Is(err, wire.ErrMalformed) {
		m.avoid()
	}
	if late(err) {
		err = errors.Join(errTooSlow, err)
	}
	return whole, err
}

// fetchPatiently fetches a content that nobody gives us quickly from a peer that is known to have it.
// Others may ask for it quickly meanwhile: a peer that is slow on purpose keeps nothing from them.
func (r *Replica) fetchPatiently(ctx context.Context, rec trust.Record, m *member) (trust.Record, error) {
	if _, mine := r.patient.board(rec.Digest()); !mine {
		return trust.Record{}, errTooSlow
	}
	defer r.patient.land(rec.Digest())
	return r.fetchFrom(ctx, rec, m, much)
}

// late reports whether something took too long.
func late(err error) bool {
	var l interface{ Timeout() bool }
	return errors.As(err, &l) && l.Timeout()
}

// sources returns connected members, the given one first.
func (r *Replica) sources(first peer.ID) []*member {
	list := r.members.connected(true)
	for i, m := range list {
		if m.id == first {
			list[0], list[i] = list[i], list[0]
		}
	}
	return list[:min(len(list), maxSources)]
}

// fetchFrom asks one peer. Waiting for the peer's turn comes first, so that a slow peer keeps only those
// waiting who want something from it, and those with little patience not for long.
func (r *Replica) fetchFrom(ctx context.Context, rec trust.Record, m *member, p patience) (trust.Record, error) {
	turn, cancel := ctx, context.CancelFunc(func() {})
	if p == little {
		turn, cancel = context.WithTimeout(ctx, p.answer)
	}
	defer cancel()
	select {
	case m.downloads <- struct{}{}:
		defer func() { <-m.downloads }()
	case <-turn.Done():
		return trust.Record{}, errNoTurn
	}
	select {
	case r.downloads <- struct{}{}:
		defer func() { <-r.downloads }()
	case <-ctx.Done():
		return trust.Record{}, ctx.Err()
	}
	return r.resumeFrom(ctx, rec, m.id, p)
}

// resumeFrom has one peer go on where others broke off, and leaves what it sent to the next one. When what
// others began does not fit, the peer is asked for all of it: it is not to blame.
func (r *Replica) resumeFrom(ctx context.Context, rec trust.Record, id peer.ID, p patience) (trust.Record, error) {
	part := r.fetches.resume(rec.Digest())
	begun := part.got > 0
	whole, err := r.finishFrom(ctx, rec, id, p, part)
	if begun && (errors.Is(err, trust.ErrMismatch) || errors.Is(err, errOtherSize)) {
		whole, err = r.finishFrom(ctx, rec, id, p, part)
	}
	if err != nil {
		r.fetches.keep(rec.Digest(), part)
	}
	return whole, err
}

// finishFrom has one peer send what is missing. A part that turns out to be wrong is dropped.
func (r *Replica) finishFrom(ctx context.Context, rec trust.Record, id peer.ID, p patience, part *part) (trust.Record, error) {
	err := r.download(ctx, id, rec, p, part)
	if errors.Is(err, errOtherSize) {
		part.drop()
	}
	if err != nil {
		return trust.Record{}, err
	}
	whole, err := complete(rec, part.content)
	if err != nil {
		part.drop()
	}
	return whole, err
}

// complete returns the record with a content that came alone.
func complete(rec trust.Record, content []byte) (trust.Record, error) {
	whole, err := rec.WithContent(content)
	if err != nil && unreadable(err) {
		err = notUnderstood(err)
	}
	return whole, err
}

func (r *Replica) download(ctx context.Context, id peer.ID, rec trust.Record, p patience, part *part) (err error) {
	x, err := r.open(ctx, id, r.names.fetch)
	if err != nil {
		return err
	}
	defer func() { x.end(err) }()
	ask := wire.Ask{Key: wire.KeyOf(rec.Name().String()), Digest: rec.Digest(), From: uint32(part.got)}
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
	return x.body(part, int(offer.Size), p)
}

// body reads raw bytes. Each chunk has its time, in which those before it on this stream count.
func (x *exchange) body(part *part, size int, p patience) error {
	if part.got == 0 {
		part.content = make([]byte, size) // at most trust.MaxContent, says the offer's decoder
	}
	if len(part.content) != size {
		return errOtherSize
	}
	begun, from := time.Now(), part.got
	for part.got < size {
		next := min(part.got+chunk, size)
		deadline := begun.Add(p.timeFor(next - from))
		if step := time.Now().Add(stepWithin); step.Before(deadline) {
			deadline = step
		}
		if err := x.stream.SetReadDeadline(deadline); err != nil {
			return err
		}
		n, err := io.ReadFull(x.r, part.content[part.got:next])
		if part.got += n; err != nil {
			return err
		}
		x.heard()
	}
	return nil
}
