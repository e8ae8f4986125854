package replica_test

import (
	"bufio"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
)

// source is a stranger that lists a record and sends its content in its own way.
type source struct {
	*server
	mu    sync.Mutex
	froms []uint32 // where it was asked to begin
	send  func(st network.Stream, from uint32)
}

// newSource makes one that offers a size and sends, of what it is asked for, what comes before end.
func newSource(t *testing.T, rec trust.Record, content []byte, size, end int) *source {
	t.Helper()
	s := &source{server: newLister(t, itemOf(rec), headOf(rec, false), content)}
	s.send = func(st network.Stream, from uint32) { st.Write(content[min(int(from), end):end]) }
	s.host.SetStreamHandler(fetchID, func(st network.Stream) {
		defer st.Close()
		m, err := wire.Read(bufio.NewReader(st), wire.MaxRequest)
		ask, ok := m.(wire.Ask)
		if err != nil || !ok {
			return
		}
		s.mu.Lock()
		s.froms = append(s.froms, ask.From)
		s.mu.Unlock()
		wire.Write(st, wire.Offer{Held: true, Size: uint32(size)})
		s.send(st, ask.From)
	})
	return s
}

func (s *source) asked() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.froms)
}

// TestBrokenFetchesGoOn: one peer sends the beginning and hangs up; another one sends the rest, or all if
// the first one lied.
func TestBrokenFetchesGoOn(t *testing.T) {
	t.Parallel()
	const size, cut = 1 << 20, 300_001
	content := pattern(size, 1)
	for what, c := range map[string]struct {
		first []byte
		size  int
		want  []uint32 // of the second one
	}{
		"cut":        {content, size, []uint32{cut}},
		"other":      {pattern(size, 2), size, []uint32{cut, 0}},
		"other size": {content, size - 1, []uint32{cut, 0}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := trusttest.Policy(t, signer, "a")
			rec := trusttest.Record(t, p, signer, "a", content, v0)
			n := replicatest.New(t, 1, p, replica.Start)
			n.Start(t)
			first := newSource(t, rec, c.first, c.size, cut)
			first.connect(t, n)
			replicatest.Eventually(t, "the first one was asked", func() bool { return len(first.asked()) > 0 })
			replicatest.Eventually(t, "the first one was asked to go on", func() bool { return slices.Contains(first.asked(), cut) })
			second := newSource(t, rec, content, size, size)
			second.connect(t, n)
			replicatest.AwaitHeld(t, []*replicatest.Node{n}, rec)
			if got := second.asked(); !slices.Equal(got, c.want) {
				t.Errorf("the second one was asked to begin at %v, want %v", got, c.want)
			}
		})
	}
}

// TestOneFetchAtATime: three peers list the same content, and one of them is asked for it.
func TestOneFetchAtATime(t *testing.T) {
	t.Parallel()
	content := pattern(1<<20, 1)
	p := trusttest.Policy(t, signer, "a")
	rec := trusttest.Record(t, p, signer, "a", content, v0)
	n := replicatest.New(t, 1, p, replica.Start)
	n.Start(t)
	var asks atomic.Int32
	var sources []*server
	all := make(chan struct{})
	for range 3 {
		s := newLister(t, itemOf(rec), headOf(rec, false), nil)
		s.host.SetStreamHandler(fetchID, func(st network.Stream) {
			defer st.Close()
			asks.Add(1)
			wire.Write(st, wire.Offer{Held: true, Size: uint32(len(content))})
			<-all
			st.Write(content)
		})
		sources = append(sources, s)
		s.connect(t, n)
	}
	replicatest.Eventually(t, "it was listed by all and asked of one", func() bool {
		wants := 0
		for _, s := range sources {
			wants += int(s.wants.Load())
		}
		return wants == 3 && asks.Load() > 0
	})
	close(all)
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, rec)
	if asks.Load() != 1 {
		t.Errorf("it was asked for %d times", asks.Load())
	}
}
