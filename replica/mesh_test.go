package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"dmfs/index/indextest"
	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

const v0 = trust.Version(1_795_383_073_000_000_000)

var signer = trusttest.Signer(1)

// same returns one policy n times.
func same(n int, p *trust.Policy) []*trust.Policy {
	list := make([]*trust.Policy, n)
	for i := range list {
		list[i] = p
	}
	return list
}

// pattern returns n bytes that differ with the seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i*7+i>>8*13)
	}
	return b
}

func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return names
}

func TestContentsOfEverySizeReachAll(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "dns/b")
	nodes := replicatest.Mesh(t, same(3, p)...)
	for i, size := range []int{0, 1, 8 << 10, 8<<10 + 1, 64 << 10, 64<<10 + 1, 1 << 20, trust.MaxContent} {
		rec := trusttest.Record(t, p, signer, "dns/b", pattern(size, byte(i)), v0+trust.Version(i))
		nodes[i%3].Write(t, rec)
		replicatest.AwaitHeld(t, nodes, rec)
	}
	e, _ := nodes[2].Index.Get(trusttest.Name(t, "dns/b"))
	if e.Origin != nodes[0].Replica.ID() && e.Origin != nodes[1].Replica.ID() {
		t.Errorf("origin is %q, which is neither of the others", e.Origin)
	}
}

func TestEachTransportWorksAlone(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	for _, listen := range []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"} {
		a, b := replicatest.New(t, 1, p, replica.Start), replicatest.New(t, 2, p, replica.Start)
		a.Config.Listen, b.Config.Listen = []string{listen}, []string{listen}
		a.Start(t)
		b.Config.Bootstrap = a.Replica.Addrs()
		b.Start(t)
		rec := trusttest.Record(t, p, signer, "a", []byte("content"), v0)
		a.Write(t, rec)
		replicatest.AwaitHeld(t, []*replicatest.Node{b}, rec)
	}
}

func TestTombstoneReachesAll(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	nodes := replicatest.Mesh(t, same(3, p)...)
	file := trusttest.Record(t, p, signer, "a", []byte("content"), v0)
	nodes[0].Write(t, file)
	replicatest.AwaitHeld(t, nodes, file)
	gone := trusttest.Tombstone(t, p, signer, "a", v0+1)
	nodes[1].Write(t, gone)
	replicatest.AwaitHeld(t, nodes, gone)
}

func TestBurstReachesAll(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, numbered("f", 200)...)
	nodes := replicatest.Mesh(t, same(3, p)...)
	var recs []trust.Record
	for i, name := range numbered("f", 200) {
		rec := trusttest.Record(t, p, signer, name, pattern(1024, byte(i)), v0)
		nodes[0].Write(t, rec)
		recs = append(recs, rec)
	}
	replicatest.AwaitHeld(t, nodes, recs...)
}

func TestLateNodeCatchesUp(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, append(numbered("f", 4200), "big", "huge", "gone")...)
	old := replicatest.New(t, 1, p, replica.Start)
	recs := []trust.Record{
		trusttest.Record(t, p, signer, "big", pattern(60<<10, 1), v0),
		trusttest.Record(t, p, signer, "huge", pattern(3<<20, 2), v0),
		trusttest.Tombstone(t, p, signer, "gone", v0),
	}
	for _, name := range numbered("f", 4200) { // more than one pull asks for
		recs = append(recs, trusttest.Record(t, p, signer, name, []byte(name), v0))
	}
	old.Write(t, recs...)
	old.Start(t)
	late := replicatest.New(t, 2, p, replica.Start)
	late.Config.Bootstrap = old.Replica.Addrs()
	late.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{late}, recs...)
	for _, n := range []*replicatest.Node{old, late} {
		replicatest.Eventually(t, "both know that they are equal", func() bool {
			peers := n.Replica.Peers()
			return len(peers) == 1 && peers[0].InSync
		})
	}
}

// TestNodeThatWasOff: only the others know its address, so it is they who find it again.
func TestNodeThatWasOff(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, numbered("f", 10)...)
	nodes := replicatest.Mesh(t, same(3, p)...)
	nodes[0].Stop(t)
	var recs []trust.Record
	for i, name := range numbered("f", 10) {
		rec := trusttest.Record(t, p, signer, name, pattern(i*20_000, byte(i)), v0)
		nodes[1+i%2].Write(t, rec)
		recs = append(recs, rec)
	}
	replicatest.AwaitHeld(t, nodes[1:], recs...)
	nodes[0].Start(t)
	replicatest.AwaitHeld(t, nodes, recs...)
}

func TestRestartOnTheSameFile(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b")
	nodes := replicatest.Mesh(t, same(2, p)...)
	path := filepath.Join(t.TempDir(), "index")
	for round := range 3 {
		ix := indextest.OpenAt(t, path, p)
		third := &replicatest.Node{Index: ix}
		r, err := replica.Start(context.Background(), replica.Config{
			Identity:  trusttest.Signer(77).Ed25519(),
			Listen:    []string{"/ip4/127.0.0.1/udp/0/quic-v1"},
			Bootstrap: append(nodes[0].Replica.Addrs(), nodes[1].Replica.Addrs()...),
		}, ix)
		if err != nil {
			t.Fatal(err)
		}
		rec := trusttest.Record(t, p, signer, "a", pattern(round*100_000, 1), v0+trust.Version(round))
		nodes[0].Write(t, rec)
		replicatest.AwaitHeld(t, append([]*replicatest.Node{third}, nodes...), rec)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := ix.Check(); err != nil {
			t.Error(err)
		}
		ix.Close()
	}
}

// TestI4EqualTimestampsConverge: two records of one version, and two signers of one content.
func TestI4EqualTimestampsConverge(t *testing.T) {
	t.Parallel()
	other := trusttest.Signer(2)
	keys := []trust.PublicKey{signer.Public(), other.Public()}
	p, err := trust.NewPolicy(trust.Rules{Files: map[trust.Name][]trust.PublicKey{
		trusttest.Name(t, "content"): keys, trusttest.Name(t, "signer"): keys,
	}})
	if err != nil {
		t.Fatal(err)
	}
	contents := []trust.Record{
		trusttest.Record(t, p, signer, "content", []byte("one"), v0),
		trusttest.Record(t, p, signer, "content", []byte("two"), v0),
	}
	signers := []trust.Record{
		trusttest.Record(t, p, signer, "signer", []byte("same"), v0),
		trusttest.Record(t, p, other, "signer", []byte("same"), v0),
	}
	a, b := replicatest.New(t, 1, p, replica.Start), replicatest.New(t, 2, p, replica.Start)
	a.Write(t, contents[0], signers[0])
	b.Write(t, contents[1], signers[1])
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{a, b}, winner(contents), winner(signers))
}

func winner(recs []trust.Record) trust.Record {
	if trust.Compare(recs[0], recs[1]) > 0 {
		return recs[0]
	}
	return recs[1]
}

// TestI10WithheldIsNotOffered: what the policy does not admit any more is not served.
func TestI10WithheldIsNotOffered(t *testing.T) {
	t.Parallel()
	wide, narrow := trusttest.Policy(t, signer, "a", "b"), trusttest.Policy(t, signer, "a")
	old := replicatest.New(t, 1, wide, replica.Start)
	a := trusttest.Record(t, wide, signer, "a", []byte("a"), v0)
	b := trusttest.Record(t, wide, signer, "b", pattern(100_000, 1), v0)
	old.Write(t, a, b)
	if err := old.Index.SetPolicy(narrow); err != nil {
		t.Fatal(err)
	}
	old.Start(t)
	late := replicatest.New(t, 2, wide, replica.Start)
	late.Config.Bootstrap = old.Replica.Addrs()
	late.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{late}, a)
	replicatest.Eventually(t, "both are equal", func() bool {
		peers := late.Replica.Peers()
		return len(peers) == 1 && peers[0].InSync
	})
	if _, ok := late.Index.Get(b.Name()); ok {
		t.Error("a withheld record travelled")
	}
	raw := newStranger(t)
	raw.connect(t, old)
	if offer := raw.ask(t, old, b); offer.Held {
		t.Error("a withheld content is offered")
	}
}

func TestCloseEndsEverything(t *testing.T) {
	p := trusttest.Policy(t, signer, "a")
	nodes := replicatest.Mesh(t, same(2, p)...)
	rec := trusttest.Record(t, p, signer, "a", pattern(1<<20, 1), v0)
	nodes[0].Write(t, rec)
	replicatest.AwaitHeld(t, nodes, rec)
	a, b := named(t, 3, networkPolicy(t, nil)), named(t, 4, networkPolicy(t, nil))
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.Eventually(t, "the members are connected", func() bool { return a.sees(4) && b.sees(3) })
	for _, n := range append(nodes, a.Node, b.Node) {
		n.Stop(t)
	}
	replicatest.Eventually(t, "no goroutine of ours is left", func() bool {
		var buf bytes.Buffer
		pprof.Lookup("goroutine").WriteTo(&buf, 2)
		return !strings.Contains(buf.String(), "dmfs/replica.(") && !strings.Contains(buf.String(), "go-libp2p-pubsub.(")
	})
}

func TestPeersTellWhatIsKnown(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	nodes := replicatest.Mesh(t, same(2, p)...)
	replicatest.Eventually(t, "the round trip is measured", func() bool {
		peers := nodes[1].Replica.Peers()
		return len(peers) == 1 && peers[0].RTT > 0 && peers[0].InSync
	})
	got := nodes[1].Replica.Peers()[0]
	if got.ID != nodes[0].Replica.ID() || !got.Connected || got.Agent != "dmfs/test" || got.Since.IsZero() || !strings.HasPrefix(got.Addr, "/ip4/127.0.0.1/") {
		t.Errorf("peer: %+v", got)
	}
	if id := replica.PeerID(trusttest.Signer(1000).Public().Key); id != got.ID {
		t.Errorf("PeerID is %s, want %s", id, got.ID)
	}
	nodes[0].Stop(t)
	replicatest.Eventually(t, "the peer is lost but known", func() bool {
		peers := nodes[1].Replica.Peers()
		return len(peers) == 1 && !peers[0].Connected && !peers[0].InSync
	})
}
