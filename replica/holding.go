package replica

import (
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// holding is what a peer holds, as far as we know.
type holding struct {
	said   wire.Report // by the peer; its Moment is 0 before it said anything
	root   wire.Hash   // heard last, in a report or by a comparison
	heard  time.Time   // when, by our clock; zero: not since we started
	moment             // all changes of our index up to this one it has; 0: unknown
}

// hearing returns what is known once a root was heard.
func (h holding) hearing(root wire.Hash, now time.Time, when func(wire.Hash) (moment, bool)) holding {
	h = h.resolved(when)
	h.root, h.heard = root, now
	return h.resolved(when)
}

// resolved finds the root in our own past, where it may be only since we have caught up with the peer.
// What was known before stays when it is not there: the peer has something that we have not.
func (h holding) resolved(when func(wire.Hash) (moment, bool)) holding {
	at, ok := when(h.root)
	if h.heard.IsZero() || !ok || at.seq == h.seq {
		return h
	}
	if at.since.Before(h.heard) {
		at.since = h.heard
	}
	h.moment = at
	return h
}

// seen returns when the peer gave the last sign of life by a report, which others may have passed on.
func (h holding) seen(now time.Time) time.Time {
	if h.said.Moment == 0 {
		return time.Time{}
	}
	at := time.Unix(0, h.said.Moment)
	if at.After(now) {
		return now
	}
	return at
}

// entry is what peers compare.
func (h holding) entry(id peer.ID) summary.Entry {
	return summary.Entry{
		Key: wire.KeyOfReport(string(id)), Version: h.said.Moment, Name: string(id),
		Stamp: wire.StampOfReport(h.said),
	}
}

// having returns what is known once the peer was seen to have everything up to a change of ours.
func (h holding) having(seq uint64, now time.Time) holding {
	if h.seq < seq {
		h.moment = moment{seq, now}
	}
	return h
}
