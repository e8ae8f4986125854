package replica_test

import (
	"encoding/binary"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// resources is what this process uses, the adversary's part included.
type resources struct {
	heap       uint64
	goroutines int
}

func measure() resources {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return resources{m.HeapAlloc, runtime.NumGoroutine()}
}

// grownTo fails the test when more is in use than before by so much.
func (before resources) grownTo(t *testing.T, heap uint64, goroutines int) {
	t.Helper()
	now := measure()
	if now.heap > before.heap+heap {
		t.Errorf("the heap has grown from %d to %d KiB", before.heap>>10, now.heap>>10)
	}
	if now.goroutines > before.goroutines+goroutines {
		t.Errorf("%d goroutines before, %d after", before.goroutines, now.goroutines)
	}
}

// TestHostileEndlessData: answers and requests without an end, with lengths that nobody has. It runs
// alone: what it measures is the process's.
func TestHostileEndlessData(t *testing.T) {
	s := besiege(t, nil, "a")
	var sent atomic.Int64
	endless := func(first []byte) network.StreamHandler {
		return func(st network.Stream) {
			defer st.Reset()
			junk := pattern(64<<10, 3)
			for b := first; ; b = junk {
				n, err := st.Write(b)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		}
	}
	s.attack(t)
	s.works(t)
	before := measure()
	huge := binary.AppendUvarint(nil, 1<<62)
	leaf := wire.Encode(wire.Leaf{Items: []wire.Item{{Key: wire.KeyOf("a"), Version: 1}}})
	leaf[1] = 0xff // items
	node := wire.Node{Children: [16]wire.Hash{{1}, {2}, {3}}}
	openings := map[string][]byte{
		"a length of 2^62":     huge,
		"a length of 2^70":     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"no end of the length": pattern(1<<10, 0x80),
		"more items":           append(framed(wire.Root{Hash: wire.Hash{1}}), append([]byte{byte(len(leaf))}, leaf...)...),
		"more than was asked":  framed(wire.Offer{Held: true, Size: 70_000}),
		"a tree without end":   framed(append([]wire.Message{wire.Root{Hash: wire.Hash{1}}}, slices.Repeat([]wire.Message{node}, 50)...)...),
		"a head of 20 MiB":     binary.AppendUvarint(nil, 20<<20),
	}
	for what, opening := range openings {
		handler := endless(opening)
		s.bad.host.SetStreamHandler(s.bad.sync, handler)
		s.bad.host.SetStreamHandler(s.bad.fetch, handler)
		at := sent.Load()
		for i, n := range s.nodes {
			own := s.signOwn(t, "endless", pattern(70_000, byte(i)), trust.Version(len(what))+v0)
			s.bad.gossip(t, n, wire.Encode(headOf(own, false)))
			for _, proto := range []protocol.ID{s.bad.sync, s.bad.fetch} {
				s.bad.say(t, n.Node, proto, append(opening, pattern(1<<20, 3)...))
			}
		}
		replicatest.Eventually(t, what+" was sent", func() bool { return sent.Load() > at })
		s.works(t)
	}
	s.logged(t, "malformed")
	before.grownTo(t, 32<<20, 200)
}

func framed(messages ...wire.Message) (b []byte) {
	for _, m := range messages {
		e := wire.Encode(m)
		b = append(binary.AppendUvarint(b, uint64(len(e))), e...)
	}
	return b
}

// TestHostileStreams: thousands of streams, all left open.
func TestHostileStreams(t *testing.T) {
	s := besiege(t, nil)
	s.attack(t)
	s.works(t)
	before := measure()
	var streams []network.Stream
	for range 2000 {
		for _, n := range s.nodes {
			for _, proto := range []protocol.ID{s.bad.sync, s.bad.fetch} {
				st, err := s.bad.host.NewStream(t.Context(), n.id(t), proto)
				if err != nil {
					continue // refused
				}
				if _, err := st.Write([]byte{1}); err == nil {
					streams = append(streams, st)
				}
			}
		}
	}
	s.logged(t, "opens more streams")
	s.works(t)
	s.bounded(t)
	before.grownTo(t, 64<<20, 400+3*256) // the adversary has one for each stream that waits to be accepted
	for _, st := range streams {
		st.Reset()
	}
}
