package replica_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// TestI9HostilePeerHurtsNobody: garbage on every protocol while others work on.
func TestI9HostilePeerHurtsNobody(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b")
	nodes := replicatest.Mesh(t, same(2, p)...)
	bad := newStranger(t)
	bad.host.SetStreamHandler(syncID, func(s network.Stream) { s.Write(noise(1 << 10)) })
	bad.host.SetStreamHandler(fetchID, func(s network.Stream) { s.Write(noise(1 << 10)) })
	bad.gossips(t)
	bad.connect(t, nodes...)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	listed := wire.Encode(wire.Want{Keys: make([]wire.Key, wire.MaxKeys)})
	var streams sync.WaitGroup
	for _, proto := range []protocol.ID{syncID, fetchID} {
		for _, data := range [][]byte{nil, {0}, {0x80}, {1, 0x16}, huge, {0xff, 0xff, 0x7f}, noise(4 << 10), append([]byte{0x83, 0x20}, listed...)} {
			streams.Go(func() { bad.say(t, nodes[0], proto, data) })
		}
	}
	bad.publish(t, 2, noise(1000))
	forged := headOf(trusttest.Record(t, p, signer, "a", []byte("good"), v0+100), true)
	forged.Content = []byte("evil")
	bad.publish(t, 2, wire.Encode(forged))
	rec := trusttest.Record(t, p, signer, "a", pattern(200_000, 1), v0)
	nodes[0].Write(t, rec)
	replicatest.AwaitHeld(t, nodes, rec)
	streams.Wait()
}

// TestSilentPeerHurtsNobody: a peer that never answers, first as the source of a content.
func TestSilentPeerHurtsNobody(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b")
	nodes := replicatest.Mesh(t, same(2, p)...)
	silent := func(s network.Stream) { s.Read(make([]byte, 1)) }
	bad := newStranger(t)
	bad.host.SetStreamHandler(syncID, silent)
	bad.host.SetStreamHandler(fetchID, silent)
	bad.gossips(t)
	bad.connect(t, nodes...)
	rec := trusttest.Record(t, p, signer, "a", pattern(100_000, 1), v0)
	bad.publish(t, 2, wire.Encode(headOf(rec, false)))
	nodes[0].Write(t, rec)
	other := trusttest.Record(t, p, signer, "b", []byte("other"), v0)
	nodes[1].Write(t, other)
	replicatest.AwaitHeld(t, nodes, rec, other)
}

// TestWrongContentIsRefused: a genuine head, and other bytes for its digest; then an honest peer has it.
func TestWrongContentIsRefused(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	rec := trusttest.Record(t, p, signer, "a", pattern(100_000, 1), v0)
	var lies atomic.Int32
	bad := newStranger(t)
	bad.answer(fetchID, func(s network.Stream, m wire.Message) {
		lies.Add(1)
		wire.Write(s, wire.Offer{Held: true, Size: 100_000})
		s.Write(pattern(100_000, 2))
	})
	bad.answer(syncID, func(s network.Stream, m wire.Message) {
		switch m.(type) {
		case wire.Root:
			wire.Write(s, wire.Root{Hash: wire.Hash{1}})
		case wire.Look:
			wire.Write(s, wire.Leaf{Items: []wire.Item{itemOf(rec)}})
		case wire.Want:
			wire.Write(s, headOf(rec, false))
			wire.Write(s, wire.End{})
		}
	})
	victim := replicatest.New(t, 1, p, replica.Start)
	victim.Start(t)
	bad.connect(t, victim)
	replicatest.Eventually(t, "the peer has lied", func() bool { return lies.Load() > 0 })
	if _, ok := victim.Index.Get(rec.Name()); ok {
		t.Error("a record without its content is held")
	}
	good := replicatest.New(t, 2, p, replica.Start)
	good.Write(t, rec)
	good.Config.Bootstrap = victim.Replica.Addrs()
	good.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{victim}, rec)
}

// TestDifferentPoliciesDoNotSpin: what a node may not take it asks for once.
func TestDifferentPoliciesDoNotSpin(t *testing.T) {
	t.Parallel()
	wide, narrow := trusttest.Policy(t, signer, "a", "b"), trusttest.Policy(t, signer, "a")
	recs := []trust.Record{
		trusttest.Record(t, wide, signer, "a", []byte("a"), v0),
		trusttest.Record(t, wide, signer, "b", []byte("b"), v0),
	}
	items := []wire.Item{itemOf(recs[0]), itemOf(recs[1])}
	if string(items[0].Key[:]) > string(items[1].Key[:]) {
		items[0], items[1], recs[0], recs[1] = items[1], items[0], recs[1], recs[0]
	}
	var mu sync.Mutex
	asked := make(map[wire.Key]int)
	quick := 0
	peer := newStranger(t)
	peer.answer(syncID, func(s network.Stream, m wire.Message) {
		mu.Lock()
		defer mu.Unlock()
		switch m := m.(type) {
		case wire.Root:
			quick++
			wire.Write(s, wire.Root{Hash: wire.Hash{1}})
		case wire.Look:
			quick--
			wire.Write(s, wire.Leaf{Items: items})
		case wire.Want:
			for _, k := range m.Keys {
				asked[k]++
				for i := range items {
					if items[i].Key == k {
						wire.Write(s, headOf(recs[i], true))
					}
				}
			}
			wire.Write(s, wire.End{})
		}
	})
	n := replicatest.New(t, 1, narrow, replica.Start)
	n.Config.SyncInterval = 20 * time.Millisecond
	n.Start(t)
	peer.connect(t, n)
	replicatest.Eventually(t, "five pulls were short", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return quick >= 5
	})
	mu.Lock()
	defer mu.Unlock()
	if asked[wire.KeyOf("a")] != 1 || asked[wire.KeyOf("b")] != 1 {
		t.Errorf("asked %d times for a, %d for b", asked[wire.KeyOf("a")], asked[wire.KeyOf("b")])
	}
	if peers := n.Replica.Peers(); len(peers) != 1 || !peers[0].InSync {
		t.Errorf("peers: %+v", peers)
	}
}

// TestPromisesAreNotBelieved: a peer lists later versions than it has, again and again.
func TestPromisesAreNotBelieved(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	rec := trusttest.Record(t, p, signer, "a", []byte("a"), v0)
	promise := itemOf(rec)
	promise.Version += 1000
	bad := newLister(t, promise, headOf(rec, true), nil)
	n := replicatest.New(t, 1, p, replica.Start)
	n.Config.SyncInterval = 20 * time.Millisecond
	n.Write(t, rec)
	n.Start(t)
	bad.connect(t, n)
	replicatest.Eventually(t, "three pulls were short", func() bool { return bad.short.Load() >= 3 })
	if bad.wants.Load() != 1 {
		t.Errorf("asked %d times", bad.wants.Load())
	}
}

// TestOnlyTheMountsNewsAreGossiped: what came from a peer is not gossiped again.
func TestOnlyTheMountsNewsAreGossiped(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "theirs", "ours")
	n, other := replicatest.New(t, 1, p, replica.Start), replicatest.New(t, 2, p, replica.Start)
	n.Start(t)
	listener := newStranger(t)
	heard := listener.gossips(t)
	listener.connect(t, n)
	replicatest.Eventually(t, "somebody gossips", func() bool { return len(listener.topic.ListPeers()) == 1 })
	theirs := trusttest.Record(t, p, signer, "theirs", []byte("theirs"), v0)
	other.Write(t, theirs)
	other.Config.Bootstrap = n.Replica.Addrs()
	other.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, theirs)
	ours := trusttest.Record(t, p, signer, "ours", []byte("ours"), v0)
	n.Write(t, ours)
	if got := nextHead(t, heard); string(wire.Encode(got)) != string(wire.Encode(headOf(ours, true))) {
		t.Errorf("gossiped first: %+v", got)
	}
}

// nextHead is the next gossip that is no report of what a node has.
func nextHead(t *testing.T, heard *pubsub.Subscription) wire.Head {
	t.Helper()
	for {
		msg, err := heard.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m, err := wire.Decode(msg.Data); err != nil {
			t.Fatal(err)
		} else if head, ok := m.(wire.Head); ok {
			return head
		}
	}
}

// TestDeadConnectionIsClosed: it is up and silent, as after a partition.
func TestDeadConnectionIsClosed(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	n := replicatest.New(t, 1, p, replica.Start)
	n.Start(t)
	dead := newStranger(t)
	silent := func(s network.Stream) { s.Read(make([]byte, 1)) }
	for _, proto := range replica.ProtocolsOf(trust.Key{}) {
		dead.host.SetStreamHandler(proto, silent)
	}
	dead.connect(t, n)
	replicatest.Eventually(t, "the peer is noticed", func() bool { return len(n.Replica.Peers()) == 1 })
	replicatest.Eventually(t, "the connection is closed", func() bool {
		return len(dead.host.Network().Conns()) == 0 || !n.Replica.Peers()[0].Connected
	})
}
