package replica_test

import (
	"bufio"
	"fmt"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// pair is two nodes that hold the same, and do not sync by themselves but when they meet.
type pair struct {
	p     *trust.Policy
	names []string
	nodes []*replicatest.Node
	next  trust.Version
}

func newPair(t testing.TB, n int) *pair {
	t.Helper()
	names := numbered("f", n)
	w := &pair{p: trusttest.Policy(t, signer, names...), names: names, next: v0 + 1}
	recs := make([]trust.Record, n)
	for i, name := range names {
		recs[i] = trusttest.Record(t, w.p, signer, name, nil, v0)
	}
	for i := range 2 {
		node := replicatest.New(t, i, w.p, replica.Start)
		node.Config.SyncInterval = time.Hour
		node.Write(t, recs...)
		w.nodes = append(w.nodes, node)
	}
	w.nodes[0].Start(t)
	w.nodes[1].Config.Bootstrap = w.nodes[0].Replica.Addrs()
	w.nodes[1].Start(t)
	replicatest.Eventually(t, "they know that they are equal", func() bool {
		peers := w.nodes[1].Replica.Peers()
		return replicatest.Acquainted(w.nodes...) && peers[0].InSync
	})
	return w
}

// differ has the first node hold later versions of d names, of which nobody is told.
func (w *pair) differ(t testing.TB, d int) {
	t.Helper()
	recs := make([]trust.Record, d)
	for i := range recs {
		recs[i] = trusttest.Record(t, w.p, signer, w.names[i*len(w.names)/d], nil, w.next)
	}
	w.next++
	if _, err := w.nodes[0].Index.Apply("test", recs...); err != nil {
		t.Fatal(err)
	}
}

// compare has the second node find what differs. Should it be caught up meanwhile, it is done again.
func (w *pair) compare(t testing.TB, d int) replica.Cost {
	t.Helper()
	id, err := peer.Decode(w.nodes[0].Replica.ID())
	if err != nil {
		t.Fatal(err)
	}
	for {
		w.differ(t, d)
		w.nodes[1].Replica.Reconsider(id)
		cost, err := w.nodes[1].Replica.Compare(id)
		if err != nil {
			t.Fatal(err)
		}
		if cost.Found == d {
			return cost
		}
	}
}

// allowed is what a comparison may cost in bytes, one and a half times what was measured of the scheme
// before it was built, and in rounds.
var allowed = []struct{ n, d, bytes, rounds int }{
	{100, 0, 72, 1}, {100, 1, 618, 3}, {100, 10, 3000, 3}, {100, 100, 3000, 3},
	{1000, 0, 72, 1}, {1000, 1, 988, 4}, {1000, 10, 5400, 4}, {1000, 100, 16_800, 6},
	{10_000, 0, 72, 1}, {10_000, 1, 1287, 5}, {10_000, 10, 7000, 5}, {10_000, 100, 48_000, 9},
}

// TestSyncCostsItsDifference: what is equal costs nothing to compare, however much there is.
func TestSyncCostsItsDifference(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 1000} {
		w := newPair(t, n)
		for _, c := range allowed {
			if c.n != n {
				continue
			}
			if cost := w.compare(t, c.d); cost.Sent+cost.Received > c.bytes || cost.Rounds > c.rounds {
				t.Errorf("%d changed of %d: %+v, more than %d bytes or %d rounds", c.d, n, cost, c.bytes, c.rounds)
			}
		}
	}
}

// TestOtherPoliciesAreComparedOnce: what a narrow policy does not admit is not listed again when something
// else changes.
func TestOtherPoliciesAreComparedOnce(t *testing.T) {
	t.Parallel()
	names := numbered("f", 500)
	wide, narrow := trusttest.Policy(t, signer, names...), trusttest.Policy(t, signer, names[:250]...)
	a, b := replicatest.New(t, 1, wide, replica.Start), replicatest.New(t, 2, narrow, replica.Start)
	for _, name := range names {
		a.Write(t, trusttest.Record(t, wide, signer, name, nil, v0))
	}
	a.Config.SyncInterval, b.Config.SyncInterval = time.Hour, time.Hour
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.Eventually(t, "all is taken or declined", func() bool {
		peers := b.Replica.Peers()
		return len(b.Index.Entries()) == 250 && len(peers) == 1 && peers[0].InSync
	})
	news := trusttest.Record(t, wide, signer, names[0], nil, v0+1)
	if _, err := a.Index.Apply("test", news); err != nil {
		t.Fatal(err)
	}
	id, _ := peer.Decode(a.Replica.ID())
	cost, err := b.Replica.Compare(id)
	if err != nil {
		t.Fatal(err)
	}
	if cost.Found > 1 || cost.Sent+cost.Received > 1000 {
		t.Errorf("one change costs %+v", cost)
	}
}

// TestTagsMayLie: the peer lists what we hold, to the tag, and holds what wins. Only the hash differs.
func TestTagsMayLie(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	recs := []trust.Record{
		trusttest.Record(t, p, signer, "a", []byte("one"), v0),
		trusttest.Record(t, p, signer, "a", []byte("two"), v0),
	}
	wins := winner(recs)
	held := recs[0]
	if trust.Compare(held, wins) == 0 {
		held = recs[1]
	}
	n := replicatest.New(t, 1, p, replica.Start)
	n.Write(t, held)
	n.Start(t)
	newLister(t, itemOf(held), headOf(wins, true), nil).connect(t, n)
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, wins)
}

// TestBottomlessSummary: a peer goes on listing parts that differ. That costs a bounded time, and no
// memory to speak of.
func TestBottomlessSummary(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	n, other := replicatest.New(t, 1, p, replica.Start), replicatest.New(t, 2, p, replica.Start)
	n.Start(t)
	bad := newStranger(t)
	ends := make(chan int, 100)
	bad.host.SetStreamHandler(syncID, func(s network.Stream) {
		defer s.Close()
		in, out, looked := bufio.NewReader(s), bufio.NewWriter(s), 0
		for {
			m, err := wire.Read(in, wire.MaxRequest)
			if err != nil {
				ends <- looked
				return
			}
			answerEndlessly(out, m, &looked)
		}
	})
	bad.connect(t, n)
	rec := trusttest.Record(t, p, signer, "a", []byte("a"), v0)
	other.Write(t, rec)
	other.Config.Bootstrap = n.Replica.Addrs()
	other.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, rec)
	if looked := <-ends; looked > replica.MaxLooked {
		t.Errorf("looked at %d parts", looked)
	}
}

func answerEndlessly(out *bufio.Writer, m wire.Message, looked *int) {
	look, ok := m.(wire.Look)
	if !ok {
		wire.Write(out, wire.Root{Hash: wire.Hash{1}})
	}
	for _, p := range look.Prefixes {
		*looked++
		if p.Depth == wire.MaxDepth-1 {
			wire.Write(out, wire.Leaf{})
			continue
		}
		var node wire.Node
		for i := range node.Children {
			node.Children[i] = wire.Hash(noise(len(wire.Hash{})))
		}
		wire.Write(out, node)
	}
	out.Flush()
}

// BenchmarkCompare makes the table of the package comment.
func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		w := newPair(b, n)
		for _, c := range allowed {
			if c.n != n {
				continue
			}
			b.Run(fmt.Sprintf("n=%d/d=%d", n, c.d), func(b *testing.B) {
				bytes, rounds := 0, 0
				for b.Loop() {
					cost := w.compare(b, c.d)
					bytes, rounds = bytes+cost.Sent+cost.Received, rounds+cost.Rounds
				}
				b.ReportMetric(float64(bytes)/float64(b.N), "B/sync")
				b.ReportMetric(float64(rounds)/float64(b.N), "rounds")
			})
		}
	}
}
