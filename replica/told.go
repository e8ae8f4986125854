package replica

import (
	"maps"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxTold = 64             // peers that are remembered for one reason
	toldFor = time.Hour      // within this time the log has one line for each of them
	keptFor = 24 * time.Hour // for how long what a peer did counts, unless others need its place
)

// told remembers what was noticed lately of which peers, by the reason, so that the log says it once. Strangers
// can make any number of keys, but have only the reasons of strangers.
type told struct {
	mu    sync.Mutex
	seen  map[string]map[peer.ID]sighting
	total map[string]uint64 // how often each was noticed of anybody
}

// sighting is how often something was noticed of a peer.
type sighting struct {
	count   uint64
	last    time.Time
	written time.Time // into the log
}

// tell notes that something was noticed of a peer, and reports whether that is to be logged, and whether it is
// the last one for the reason that is, for a while.
func (t *told) tell(id peer.ID, reason string, now time.Time) (s sighting, first, last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen, t.total = make(map[string]map[peer.ID]sighting), make(map[string]uint64)
	}
	t.total[reason]++
	peers := t.room(reason, now)
	s, known := peers[id]
	if !known && len(peers) == maxTold {
		return s, false, false
	}
	if now.Sub(s.last) > keptFor {
		s.count = 0
	}
	first = now.Sub(s.written) > toldFor
	if s.count, s.last = s.count+1, now; first {
		s.written = now
	}
	peers[id] = s
	return s, first, !known && len(peers) == maxTold
}

// room returns the peers that were told of for a reason. When there are as many as there may be, those of which
// nothing was noticed for an hour make room. The caller holds mu.
func (t *told) room(reason string, now time.Time) map[peer.ID]sighting {
	peers := t.seen[reason]
	if peers == nil {
		peers = make(map[peer.ID]sighting)
		t.seen[reason] = peers
	}
	if len(peers) == maxTold {
		maps.DeleteFunc(peers, func(_ peer.ID, s sighting) bool { return now.Sub(s.last) > toldFor })
	}
	return peers
}

// of returns of whom something was noticed for a reason within keptFor, and how often it was of anybody.
func (t *told) of(reason string, now time.Time) (peers map[peer.ID]sighting, total uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	peers = maps.Clone(t.seen[reason])
	maps.DeleteFunc(peers, func(_ peer.ID, s sighting) bool { return now.Sub(s.last) > keptFor })
	return peers, t.total[reason]
}
