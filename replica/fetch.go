package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	some   = patience{2 * time.Second, 2 * time.Second, 16 << 10} // with who helps one with whom there is much
	little = patience{2 * time.Second, 2 * time.Second, 1 << 20}  // while there may be others
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
	whole, err := r.fetchJointly(ctx, rec, r.sources(from), little)
	f.content, _ = whole.Content()
	return whole, err
}

// fetchPatiently fetches a content that nobody gives us quickly from a peer that is known to have it, and
// whoever helps. Others may ask for it quickly meanwhile: a peer that is slow on purpose keeps nothing from them.
func (r *Replica) fetchPatiently(ctx context.Context, rec trust.Record, m *member) (trust.Record, error) {
	if _, mine := r.patient.board(rec.Digest()); !mine {
		return trust.Record{}, errTooSlow
	}
	defer r.patient.land(rec.Digest())
	return r.fetchJointly(ctx, rec, r.sources(m.id), much)
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

// complete returns the record with a content that came alone.
func complete(rec trust.Record, content []byte) (trust.Record, error) {
	whole, err := rec.WithContent(content)
	if err != nil && unreadable(err) {
		err = notUnderstood(err)
	}
	return whole, err
}
