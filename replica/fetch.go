package replica

import (
	"context"
	"errors"
	"io"
	"sync"
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
)

// timeFor returns how long the transfer of n bytes may take.
func timeFor(n int) time.Duration {
	return idleWithin + time.Duration(n/slowest)*time.Second
}

// flights sees to it that no digest is fetched twice at once.
type flights struct {
	mu  sync.Mutex
	now map[trust.Digest]*flight
}

// flight is one fetch; content is set before landed is closed, and nil after a failure.
type flight struct {
	landed  chan struct{}
	content []byte
}

// board returns the flight for a digest, and whether the caller is the one to fly it and to call land.
func (f *flights) board(d trust.Digest) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.now[d]; ok {
		return other, false
	}
	if f.now == nil {
		f.now = make(map[trust.Digest]*flight)
	}
	f.now[d] = &flight{landed: make(chan struct{})}
	return f.now[d], true
}

func (f *flights) land(d trust.Digest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.now[d].landed)
	delete(f.now, d)
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
			defer r.fetches.land(rec.Digest())
			whole, err := r.fetchAny(ctx, rec, from)
			flight.content, _ = whole.Content()
			return whole, err
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

// fetchAny asks one peer after the other. The error is that of the first.
func (r *Replica) fetchAny(ctx context.Context, rec trust.Record, from peer.ID) (trust.Record, error) {
	failed := errNoPeer
	sources := r.sources(from)
	for i, m := range sources {
		within := quickAnswer
		if i == len(sources)-1 {
			within = answerWithin
		}
		whole, err := r.fetchFrom(ctx, rec, m, within)
		if err == nil {
			return whole, nil
		}
		if errors.Is(err, errNotUnderstood) {
			return trust.Record{}, err // no other peer has it in other words
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
// comes first, so that a slow peer keeps only those waiting who want something from it.
func (r *Replica) fetchFrom(ctx context.Context, rec trust.Record, m *member, within time.Duration) (trust.Record, error) {
	for _, slots := range []chan struct{}{m.downloads, r.downloads} {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return trust.Record{}, ctx.Err()
		}
	}
	content, err := r.download(ctx, m.id, rec, within)
	if err != nil {
		return trust.Record{}, err
	}
	return complete(rec, content)
}

// complete returns the record with a content that came alone.
func complete(rec trust.Record, content []byte) (trust.Record, error) {
	whole, err := rec.WithContent(content)
	if err != nil && unreadable(err) {
		err = notUnderstood(err)
	}
	return whole, err
}

func (r *Replica) download(ctx context.Context, id peer.ID, rec trust.Record, within time.Duration) (content []byte, err error) {
	x, err := r.open(ctx, id, r.names.fetch)
	if err != nil {
		return nil, err
	}
	defer func() { x.end(err) }()
	if err := x.send(wire.Ask{Key: wire.KeyOf(rec.Name().String()), Digest: rec.Digest()}); err != nil {
		return nil, err
	}
	offer, err := expect[wire.Offer](x, wire.MaxRequest, within)
	if err != nil {
		return nil, err
	}
	if !offer.Held {
		return nil, errNotHeld
	}
	return x.body(int(offer.Size))
}

// body reads raw bytes. Each chunk has its time, and the whole has a time that its size allows.
func (x *exchange) body(size int) ([]byte, error) {
	content := make([]byte, size) // at most trust.MaxContent, says the offer's decoder
	last := time.Now().Add(timeFor(size))
	for at := 0; at < size; {
		deadline := time.Now().Add(stepWithin)
		if deadline.After(last) {
			deadline = last
		}
		if err := x.stream.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		n, err := io.ReadFull(x.r, content[at:min(at+chunk, size)])
		if err != nil {
			return nil, err
		}
		at += n
		x.heard()
	}
	return content, nil
}

// serveFetch serves what the summary shows, and nothing that the policy has withdrawn since.
func (r *Replica) serveFetch(x *exchange) error {
	ask, err := expect[wire.Ask](x, wire.MaxRequest, answerWithin)
	if err != nil {
		return err
	}
	e, ok := r.held(r.summaries.current(r.ctx), ask.Key)
	if !ok || e.Expired || e.Record.Digest() != ask.Digest || int64(ask.From) > e.Size {
		return x.send(wire.Offer{})
	}
	if err := x.put(wire.Offer{Held: true, Size: uint32(e.Size)}); err != nil {
		return err
	}
	return r.upload(x, ask.Digest, int64(ask.From), e.Size)
}

func (r *Replica) upload(x *exchange, d trust.Digest, at, size int64) error {
	buf := make([]byte, min(size, chunk))
	for ; at < size; at += int64(len(buf)) {
		buf = buf[:min(size-at, chunk)]
		if n, err := r.ix.ReadAt(d, buf, at); n < len(buf) {
			return err
		}
		if err := x.stream.SetWriteDeadline(time.Now().Add(stepWithin)); err != nil {
			return err
		}
		if _, err := x.w.Write(buf); err != nil {
			return err
		}
		x.heard()
	}
	return x.flush()
}
