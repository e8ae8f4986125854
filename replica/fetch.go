package replica

import (
	"context"
	"errors"
	"io"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	chunk        = 64 << 10
	maxDownloads = 3               // contents in memory at once: three of 10 MiB
	slowest      = 16 << 10        // bytes per second below which a transfer is given up
	maxSources   = 8               // peers asked for one content
	quickAnswer  = 2 * time.Second // how long a peer may take to offer it while there are others to ask
)

var (
	errNotHeld = errors.New("peer does not have the content")
	errNoPeer  = errors.New("no peer is connected")
	errTooSlow = errors.New("peer is too slow")

	errOtherSize = errors.New("peers offer contents of different sizes")
)

// timeFor returns how long the transfer of n bytes may take.
func timeFor(n int) time.Duration {
	return idleWithin + time.Duration(n/slowest)*time.Second
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

// fly does a flight. What it gets of a content before it fails is where the next one goes on.
func (r *Replica) fly(ctx context.Context, f *flight, rec trust.Record, from peer.ID) (trust.Record, error) {
	d := rec.Digest()
	part := r.fetches.resume(d)
	whole, err := r.fetchAny(ctx, rec, from, part)
	f.content, _ = whole.Content()
	r.fetches.land(d, part, err)
	return whole, err
}

// fetchAny asks one peer after the other, each for what is missing. The error is that of the first.
func (r *Replica) fetchAny(ctx context.Context, rec trust.Record, from peer.ID, part *part) (trust.Record, error) {
	failed := errNoPeer
	sources := r.sources(from)
	for i, m := range sources {
		within := quickAnswer
		if i == len(sources)-1 {
			within = answerWithin
		}
		whole, err := r.fetchFrom(ctx, rec, m, within, part)
		if err == nil || errors.Is(err, errNotUnderstood) {
			return whole, err // no other peer has it in other words
		}
		r.log.Debug("no content from this peer", "name", rec.Name(), "peer", m.id, "err", err)
		if i == 0 {
			failed = err
		}
	}
	return trust.Record{}, failed
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

// fetchFrom asks one peer, which must make its offer within the time given. Waiting for the peer's turn
// comes first, so that a slow peer keeps only those waiting who want something from it. When what others
// began does not fit, the peer is asked for all of it: it is not to blame.
func (r *Replica) fetchFrom(ctx context.Context, rec trust.Record, m *member, within time.Duration, part *part) (trust.Record, error) {
	for _, slots := range []chan struct{}{m.downloads, r.downloads} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return trust.Record{}, ctx.Err()
		}
	}
	begun := part.got > 0
	whole, err := r.finishFrom(ctx, rec, m.id, within, part)
	if begun && (errors.Is(err, trust.ErrMismatch) || errors.Is(err, errOtherSize)) {
		whole, err = r.finishFrom(ctx, rec, m.id, within, part)
	}
	return whole, err
}

// finishFrom has one peer send what is missing. A part that turns out to be wrong is dropped.
func (r *Replica) finishFrom(ctx context.Context, rec trust.Record, id peer.ID, within time.Duration, part *part) (trust.Record, error) {
	err := r.download(ctx, id, rec, within, part)
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

func (r *Replica) download(ctx context.Context, id peer.ID, rec trust.Record, within time.Duration, part *part) (err error) {
	x, err := r.open(ctx, id, r.names.fetch)
	if err != nil {
		return err
	}
	defer func() { x.end(err) }()
	ask := wire.Ask{Key: wire.KeyOf(rec.Name().String()), Digest: rec.Digest(), From: uint32(part.got)}
	if err := x.send(ask); err != nil {
		return err
	}
	offer, err := expect[wire.Offer](x, wire.MaxRequest, within)
	if err != nil {
		return err
	}
	if !offer.Held {
		return errNotHeld
	}
	return x.body(part, int(offer.Size))
}

// body reads raw bytes. Each chunk has its time, and the whole has a time that its size allows.
func (x *exchange) body(p *part, size int) error {
	if p.got == 0 {
		p.content = make([]byte, size) // at most trust.MaxContent, says the offer's decoder
	}
	if len(p.content) != size {
		return errOtherSize
	}
	last := time.Now().Add(timeFor(size - p.got))
	for p.got < size {
		deadline := time.Now().Add(stepWithin)
		if deadline.After(last) {
			deadline = last
		}
		if err := x.stream.SetReadDeadline(deadline); err != nil {
			return err
		}
		n, err := io.ReadFull(x.r, p.content[p.got:min(p.got+chunk, size)])
		if p.got += n; err != nil {
			return err
		}
		x.heard()
	}
	return nil
}
