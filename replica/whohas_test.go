package replica_test

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// says returns what a node says of another one, the zero Peer if it does not know it.
func says(n, of *replicatest.Node) replica.Peer {
	for _, p := range n.Replica.Peers() {
		if p.ID == replica.PeerID(trust.Key(of.Config.Identity.Public().(ed25519.PublicKey))) {
			return p
		}
	}
	return replica.Peer{}
}

// behind returns how many entries of a node are newer than what another one has by its word.
func behind(n, other *replicatest.Node) (count int) {
	seq := says(n, other).Seq
	for _, e := range n.Index.Entries() {
		if e.Seq > seq {
			count++
		}
	}
	return count
}

// TestWhoHasWhat: every node says of every other one how much it lacks, also while that one is away, and
// after a restart of its own.
func TestWhoHasWhat(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b", "c")
	nodes := replicatest.Mesh(t, same(3, p)...)
	for _, n := range nodes {
		n.Config.PeersFile = filepath.Join(t.TempDir(), "peers")
		n.Stop(t)
		n.Start(t)
	}
	allHaveAll := func() bool {
		for _, n := range nodes {
			for _, other := range nodes {
				if n != other && (behind(n, other) > 0 || says(n, other).SeqAt.IsZero() || says(n, other).Seen.IsZero()) {
					return false
				}
			}
		}
		return true
	}
	a1, c := trusttest.Record(t, p, signer, "a", []byte("1"), v0), trusttest.Record(t, p, signer, "c", []byte("c"), v0)
	nodes[0].Write(t, a1, c)
	replicatest.AwaitHeld(t, nodes, a1, c)
	replicatest.Eventually(t, "all say that all have it", allHaveAll)

	away := nodes[2].Replica.ID()
	replicatest.Eventually(t, "all is said", func() bool {
		own := nodes[0].Replica.Said(nodes[0].Replica.ID())
		one, other := nodes[0].Replica.Said(away), nodes[1].Replica.Said(away)
		return own.Root != (wire.Hash{}) && one.Root == own.Root && other.Root == own.Root
	})
	nodes[2].Stop(t)
	a2, b := trusttest.Record(t, p, signer, "a", []byte("2"), v0+1), trusttest.Record(t, p, signer, "b", []byte("b"), v0)
	nodes[0].Write(t, a2)
	nodes[1].Write(t, b)
	replicatest.AwaitHeld(t, nodes[:2], a2, b)
	both := func() bool {
		return behind(nodes[0], nodes[2]) == 2 && behind(nodes[1], nodes[2]) == 2 && behind(nodes[0], nodes[1]) == 0
	}
	replicatest.Eventually(t, "they say that it lacks two", both)
	nodes[0].Stop(t)
	nodes[0].Start(t)
	replicatest.Eventually(t, "they still say so after a restart", both)
	if got := says(nodes[0], nodes[2]); got.Connected || got.Agent != "dmfs/test" || got.Seen.IsZero() || got.Addr == "" {
		t.Errorf("of the one that is away: %+v", got)
	}
	nodes[2].Start(t)
	replicatest.AwaitHeld(t, nodes, a2, b)
	replicatest.Eventually(t, "all say that all have all", allHaveAll)
}

// TestWhoHasWhatOverTwoHops: who is not connected is known through others, also when it came later.
func TestWhoHasWhatOverTwoHops(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b")
	w := wired(t, 3, p)
	w.cut(0, 2, true)
	known := func() bool {
		first, last := says(w.nodes[0], w.nodes[2]), says(w.nodes[2], w.nodes[0])
		return !first.Connected && !last.Connected && behind(w.nodes[0], w.nodes[2]) == 0 && behind(w.nodes[2], w.nodes[0]) == 0
	}
	a, b := trusttest.Record(t, p, signer, "a", []byte("a"), v0), trusttest.Record(t, p, signer, "b", []byte("b"), v0)
	w.nodes[0].Write(t, a)
	replicatest.Eventually(t, "both ends know that the other one has it", known)
	w.nodes[2].Stop(t)
	w.nodes[0].Write(t, b)
	replicatest.Eventually(t, "the first one says that the last one lacks it", func() bool { return behind(w.nodes[0], w.nodes[2]) == 1 })
	w.nodes[2].Start(t)
	replicatest.Eventually(t, "both know that the other one has that, too", known)
}

// TestForgedReports: what the peer did not say, or not now, changes nothing.
func TestForgedReports(t *testing.T) {
	t.Parallel()
	nodes := replicatest.Mesh(t, same(2, trusttest.Policy(t, signer, "a"))...)
	n, id, key := nodes[0], nodes[1].Replica.ID(), nodes[1].Config.Identity
	replicatest.Eventually(t, "the peer has said something", func() bool { return n.Replica.Said(id).Moment > 0 })
	nodes[1].Stop(t)
	genuine := n.Replica.Said(id)
	now := time.Unix(0, genuine.Moment).Add(time.Second)
	report := func(key ed25519.PrivateKey, network trust.Key, at time.Time) []byte {
		return wire.Encode(replica.SignReport(key, network, wire.Hash{7}, at))
	}
	bad := map[string][]byte{
		"a replayed one":          wire.Encode(genuine),
		"an older one":            report(key, trust.Key{}, now.Add(-time.Hour)),
		"one too soon":            report(key, trust.Key{}, now.Add(-time.Second+1)),
		"one from the future":     report(key, trust.Key{}, now.Add(2*time.Hour)),
		"one of another network":  report(key, trust.Key{1}, now),
		"one of somebody unknown": report(trusttest.Signer(7).Ed25519(), trust.Key{}, now),
	}
	good := report(key, trust.Key{}, now)
	for i := range good {
		bad[fmt.Sprintf("one with byte %d changed", i)] = append([]byte{}, good...)
		bad[fmt.Sprintf("one with byte %d changed", i)][i] ^= 1
	}
	from, _ := peer.Decode(id)
	for what, data := range bad {
		if verdict := n.Replica.Judge(from, data); verdict == pubsub.ValidationAccept || n.Replica.Said(id) != genuine {
			t.Errorf("%s: verdict %d, and the peer is taken to have said %+v", what, verdict, n.Replica.Said(id))
		}
	}
	if got := n.Replica.Judge(from, good); got != pubsub.ValidationAccept || says(n, nodes[1]).Agent == "" || n.Replica.Said(id).Root != (wire.Hash{7}) {
		t.Errorf("a good one: verdict %d", got)
	}
}

// TestWhoHasMoreHasAll: a root that is not of our past, for another policy, does not say how much of ours the
// peer has; a comparison does.
func TestWhoHasMoreHasAll(t *testing.T) {
	t.Parallel()
	wide, narrow := trusttest.Policy(t, signer, "a", "b"), trusttest.Policy(t, signer, "a")
	nodes := replicatest.Mesh(t, wide, narrow)
	b := trusttest.Record(t, wide, signer, "b", []byte("b"), v0)
	nodes[0].Write(t, b)
	for version := range trust.Version(2) {
		a := trusttest.Record(t, narrow, signer, "a", []byte("a"), v0+version)
		nodes[1].Write(t, a)
		replicatest.AwaitHeld(t, nodes, a)
		replicatest.Eventually(t, "the peer has it", func() bool { return behind(nodes[1], nodes[0]) == 0 })
		if n := behind(nodes[0], nodes[1]); n == 0 {
			t.Error("a peer that may not take a file has it")
		}
	}
}

// TestHeardIsToldOfEverySeq: who looks at what the others have only when it is told to does not miss it.
func TestHeardIsToldOfEverySeq(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b")
	nodes := replicatest.Mesh(t, same(2, p)...)
	one, other := nodes[0], nodes[1]
	heard := make(chan struct{}, 1)
	one.Stop(t)
	one.Config.Heard = func() {
		select {
		case heard <- struct{}{}:
		default:
		}
	}
	one.Start(t)
	until := func(what string, ok func() bool) {
		t.Helper()
		for late := time.After(replicatest.Patience); !ok(); {
			select {
			case <-heard:
			case <-late:
				t.Fatal("never told: " + what)
			}
		}
	}
	one.Write(t, trusttest.Record(t, p, signer, "a", []byte("a"), v0))
	until("the other one has it", func() bool { return says(one, other).Seq == one.Index.Seq() })
	b := trusttest.Record(t, p, signer, "b", []byte("b"), v0)
	other.Write(t, b)
	until("both have that, too", func() bool { return one.Holds(b) && says(one, other).Seq == one.Index.Seq() })
	other.Stop(t)
	select {
	case <-heard:
	default:
	}
	one.Write(t, trusttest.Record(t, p, signer, "a", []byte("2"), v0+1))
	looks := 0
	until("a root of others may be known now", func() bool { looks++; return looks > 1 })
}
