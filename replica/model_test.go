package replica_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/internal/model"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
)

// sightings is when each node has something for the first time.
type sightings struct {
	mu    sync.Mutex
	hops  map[int]float64
	begun time.Time
}

// see notes when a node has a record, in delays of a link.
func (s *sightings) see(ctx context.Context, i int, n *replicatest.Node, rec trust.Record, delay time.Duration) {
	_ = n.Index.Follow(ctx, 0, func(_ context.Context, news []index.Entry) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range news {
			if e.Name == rec.Name() {
				s.hops[i] = float64(time.Since(s.begun)) / float64(delay)
			}
		}
		return nil
	})
}

func (s *sightings) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hops)
}

// TestModel: what the model says of news in a network, and what real nodes do that are connected in the same
// way, as far apart as they are in a large network: how far they are from the first one, on average within half
// a hop, the last one within two and a half, and how often they send it, within three of ten.
func TestModel(t *testing.T) {
	t.Parallel()
	const delay = 100 * time.Millisecond
	p := trusttest.Policy(t, signer, "before", "news")
	before := trusttest.Record(t, p, signer, "before", []byte("before"), v0)
	rec := trusttest.Record(t, p, signer, "news", pattern(8<<10, 1), v0)
	head, _ := rec.Content()
	size := len(head) + 600 // with what travels around it
	for _, n := range []int{8, 16, 32} {
		sent := newTraffic()
		graph := connect(n, 4)
		linked := func(i, j int) bool { return slices.Contains(graph[i], j) }
		replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, n, p, linked, func(t *testing.T, w *replicatest.Net) {
			for _, node := range w.Nodes {
				node.Config.SetCrowd(1, 0, 0)
			}
			w.SetFaults(replicatest.Faults{Delay: delay})
			w.Start(t)
			<-time.After(2 * time.Minute)
			w.Nodes[0].Write(t, before)
			<-time.After(950 * time.Millisecond) // all have reported, and do not again for a while
			s := &sightings{hops: make(map[int]float64), begun: time.Now()}
			ctx, stop := context.WithCancel(t.Context())
			var watching sync.WaitGroup
			for i, node := range w.Nodes {
				watching.Go(func() { s.see(ctx, i, node, rec, delay) })
			}
			bytes := gossiped(sent)
			w.Nodes[0].Write(t, rec)
			replicatest.Eventually(t, "all have it", func() bool { return s.count() == n })
			copies := float64(gossiped(sent)-bytes) / float64(size)
			stop()
			watching.Wait()
			compare(t, n, graph, s.hops, copies, size)
		}, libp2p.BandwidthReporter(sent))
	}
}

// compare compares what happened with what the model says.
func compare(t *testing.T, n int, graph model.Graph, hops map[int]float64, copies float64, size int) {
	t.Helper()
	const runs = 50
	var far, last, sent float64
	for seed := range uint64(runs) {
		s := graph.Publish(model.News{Bytes: size, Delay: time.Second}, rand.New(rand.NewPCG(seed, 0)))
		for _, d := range s.Reached {
			far += d.Seconds() / float64(n) / runs
		}
		last += s.Last().Seconds() / runs
		sent += float64(s.Copies) / runs
	}
	realFar, realLast := 0.0, 0.0
	for _, h := range hops {
		realFar += h / float64(n)
		realLast = max(realLast, h)
	}
	t.Logf("%2d nodes: %.2f hops, the last one %.1f, %.1f copies each; the model says %.2f, %.1f, %.1f",
		n, realFar, realLast, copies/float64(n), far, last, sent/float64(n))
	if d := realFar - far; d < -0.5 || d > 0.5 {
		t.Errorf("%d nodes: %.2f hops on average, and %.2f in the model", n, realFar, far)
	}
	if d := realLast - last; d < -2.5 || d > 2.5 {
		t.Errorf("%d nodes: %.1f hops to the last one, and %.1f in the model", n, realLast, last)
	}
	if q := copies / sent; q < 0.7 || q > 1.3 {
		t.Errorf("%d nodes: %.0f copies, and %.0f in the model", n, copies, sent)
	}
}

// connect returns connections by chance, so many that each node has made.
func connect(n, each int) model.Graph {
	dice := rand.New(rand.NewPCG(uint64(n), 0))
	g := make(model.Graph, n)
	for a := range n {
		for _, b := range dice.Perm(n)[:each] {
			if a != b && !slices.Contains(g[a], b) {
				g[a], g[b] = append(g[a], b), append(g[b], a)
			}
		}
	}
	return g
}

// gossiped returns how many bytes of gossip were sent.
func gossiped(sent *traffic) int { return sent.byProtocol()["/meshsub/1.3.0"] }
