package replica_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

var syncID, fetchID, topicName = replica.Names()

// stranger is a libp2p host that does what a test likes.
type stranger struct {
	host  host.Host
	topic *pubsub.Topic
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return &stranger{host: h}
}

// gossips makes it join the topic.
func (s *stranger) gossips(t *testing.T) *pubsub.Subscription {
	t.Helper()
	ps, err := pubsub.NewGossipSub(t.Context(), s.host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithFloodPublish(true),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return string(m.GetData()) }))
	if err != nil {
		t.Fatal(err)
	}
	if s.topic, err = ps.Join(topicName); err != nil {
		t.Fatal(err)
	}
	heard, err := s.topic.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

// publish gossips bytes once somebody listens.
func (s *stranger) publish(t *testing.T, listeners int, data []byte) {
	t.Helper()
	replicatest.Eventually(t, "somebody listens", func() bool { return len(s.topic.ListPeers()) == listeners })
	if err := s.topic.Publish(t.Context(), data); err != nil {
		t.Fatal(err)
	}
}

func (s *stranger) connect(t *testing.T, nodes ...*replicatest.Node) {
	t.Helper()
	for _, n := range nodes {
		info, err := peer.AddrInfoFromString(n.Replica.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.host.Connect(t.Context(), *info); err != nil {
			t.Fatal(err)
		}
	}
}

// say opens a stream, sends bytes, and waits until the node has ended the stream.
func (s *stranger) say(t *testing.T, n *replicatest.Node, proto protocol.ID, data []byte) {
	t.Helper()
	id, err := peer.Decode(n.Replica.ID())
	if err != nil {
		t.Error(err)
		return
	}
	st, err := s.host.NewStream(t.Context(), id, proto)
	if err != nil {
		return // refused: too many at once
	}
	defer st.Reset()
	st.SetDeadline(time.Now().Add(replicatest.Patience))
	st.Write(data) // the node may have reset the stream already
	buf := make([]byte, 1<<10)
	for {
		if _, err := st.Read(buf); err != nil {
			var late interface{ Timeout() bool }
			if errors.As(err, &late) && late.Timeout() {
				t.Errorf("%s: the stream is still open", proto)
			}
			return
		}
	}
}

func (s *stranger) open(t *testing.T, n *replicatest.Node, proto protocol.ID) network.Stream {
	t.Helper()
	id, err := peer.Decode(n.Replica.ID())
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.host.NewStream(t.Context(), id, proto)
	if err != nil {
		t.Fatal(err)
	}
	st.SetDeadline(time.Now().Add(replicatest.Patience))
	return st
}

func (s *stranger) ask(t *testing.T, n *replicatest.Node, d trust.Digest) wire.Offer {
	t.Helper()
	st := s.open(t, n, fetchID)
	defer st.Reset()
	if err := wire.Write(st, wire.Ask{Digest: d}); err != nil {
		t.Fatal(err)
	}
	m, err := wire.Read(bufio.NewReader(st), wire.MaxMessage)
	if err != nil {
		t.Fatal(err)
	}
	return m.(wire.Offer)
}

// answer sets a handler that gets the decoded requests of a stream one by one.
func (s *stranger) answer(proto protocol.ID, with func(network.Stream, wire.Message)) {
	s.host.SetStreamHandler(proto, func(st network.Stream) {
		defer st.Close()
		r := bufio.NewReader(st)
		for {
			m, err := wire.Read(r, wire.MaxRequest)
			if err != nil {
				return
			}
			with(st, m)
		}
	})
}

func headOf(rec trust.Record, inline bool) wire.Head {
	content, _ := rec.Content()
	h := wire.Head{
		Name: rec.Name().String(), Version: int64(rec.Version()), Signature: rec.Signature(),
		Digest: rec.Digest(), Size: uint32(len(content)),
	}
	if inline {
		h.Content = append([]byte{}, content...)
	}
	return h
}

func itemOf(rec trust.Record) wire.Item {
	return wire.Item{
		Key: wire.KeyOf(rec.Name().String()), Version: int64(rec.Version()),
		Tag: wire.TagOf(rec.Digest(), rec.Signer(), rec.Deleted(), rec.TTL()),
	}
}

func rootOf(items ...wire.Item) wire.Root {
	return wire.Root{Root: wire.RootOf(items), Count: uint32(len(items))}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestVerdictsOfTheValidator(t *testing.T) {
	t.Parallel()
	p, wide := trusttest.Policy(t, signer, "a"), trusttest.Policy(t, signer, "a", "b")
	unknown := trusttest.Policy(t, trusttest.Signer(9), "a")
	n := replicatest.New(t, 1, p, replica.Start)
	n.Start(t)
	held := trusttest.Record(t, p, signer, "a", []byte("held"), v0+10)
	loser := trusttest.Record(t, p, signer, "a", []byte("other"), v0+10)
	if trust.Compare(loser, held) > 0 {
		loser, held = held, loser
	}
	n.Write(t, held)
	news := headOf(trusttest.Record(t, p, signer, "a", []byte("news"), v0+20), true)
	change := func(f func(*wire.Head)) []byte { h := news; f(&h); return wire.Encode(h) }
	ttl := func() []byte {
		st := trust.Statement{Name: held.Name(), Version: v0 + 30, TTL: time.Second}
		sig, err := signer.Sign(trust.DigestOf(nil), st)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Encode(wire.Head{Name: "a", Version: int64(v0 + 30), Signature: sig, Digest: trust.DigestOf(nil), Content: []byte{}})
	}
	from, _ := peer.Decode(replica.PeerID(trusttest.Signer(5).Public().Key))
	for name, c := range map[string]struct {
		data []byte
		want pubsub.ValidationResult
	}{
		"garbage":           {noise(100), pubsub.ValidationReject},
		"nothing":           {nil, pubsub.ValidationReject},
		"another message":   {wire.Encode(wire.End{}), pubsub.ValidationReject},
		"trailing byte":     {append(wire.Encode(news), 0), pubsub.ValidationReject},
		"bad name":          {change(func(h *wire.Head) { h.Name = "../a" }), pubsub.ValidationReject},
		"content changed":   {change(func(h *wire.Head) { h.Content = []byte("News") }), pubsub.ValidationReject},
		"digest changed":    {change(func(h *wire.Head) { h.Digest[0]++; h.Content = nil }), pubsub.ValidationReject},
		"signature changed": {change(func(h *wire.Head) { h.Signature = append([]byte{}, h.Signature[:len(h.Signature)-9]...) }), pubsub.ValidationReject},
		"version pretended": {change(func(h *wire.Head) { h.Version++ }), pubsub.ValidationReject},
		"older":             {wire.Encode(headOf(trusttest.Record(t, p, signer, "a", []byte("old"), v0), true)), pubsub.ValidationIgnore},
		"older, forged":     {change(func(h *wire.Head) { h.Version = int64(v0); h.Signature = noise(9) }), pubsub.ValidationIgnore},
		"loses the tie":     {wire.Encode(headOf(loser, true)), pubsub.ValidationIgnore},
		"the same":          {wire.Encode(headOf(held, true)), pubsub.ValidationIgnore},
		"name not admitted": {wire.Encode(headOf(trusttest.Record(t, wide, signer, "b", nil, v0), true)), pubsub.ValidationIgnore},
		"key not known":     {wire.Encode(headOf(trusttest.Record(t, unknown, trusttest.Signer(9), "a", nil, v0+40), true)), pubsub.ValidationIgnore},
		"lifetime over":     {ttl(), pubsub.ValidationIgnore},
	} {
		if got := n.Replica.Judge(from, c.data); got != c.want {
			t.Errorf("%s: verdict %d, want %d", name, got, c.want)
		}
	}
	if !n.Holds(held) {
		t.Error("the held record has changed")
	}
	if r := n.Index.Refusals(); len(r) != 1 || r[0].Name != "a" || r[0].Origin != from.String() {
		t.Errorf("refusals: %+v", r)
	}
	if got := n.Replica.Judge(from, wire.Encode(news)); got != pubsub.ValidationAccept {
		t.Errorf("news: verdict %d", got)
	}
	replicatest.Eventually(t, "the news are held", func() bool {
		e, _ := n.Index.Get(held.Name())
		return e.Record.Version() == v0+20
	})
}

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
		case wire.Hello:
			wire.Write(s, rootOf(itemOf(rec)))
			wire.Write(s, wire.Page{Last: true, Items: []wire.Item{itemOf(rec)}})
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
		case wire.Hello:
			wire.Write(s, rootOf(items...))
			if m.Settled == rootOf(items...).Root {
				quick++
				return
			}
			wire.Write(s, wire.Page{Last: true, Items: items})
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
	var wants, pulls atomic.Int32
	bad := newStranger(t)
	bad.answer(syncID, func(s network.Stream, m wire.Message) {
		switch m := m.(type) {
		case wire.Hello:
			wire.Write(s, rootOf(promise))
			if m.Settled != rootOf(promise).Root {
				wire.Write(s, wire.Page{Last: true, Items: []wire.Item{promise}})
			} else {
				pulls.Add(1)
			}
		case wire.Want:
			wants.Add(1)
			wire.Write(s, headOf(rec, true))
			wire.Write(s, wire.End{})
		}
	})
	n := replicatest.New(t, 1, p, replica.Start)
	n.Config.SyncInterval = 20 * time.Millisecond
	n.Write(t, rec)
	n.Start(t)
	bad.connect(t, n)
	replicatest.Eventually(t, "three pulls were short", func() bool { return pulls.Load() >= 3 })
	if wants.Load() != 1 {
		t.Errorf("asked %d times", wants.Load())
	}
}

func TestEqualSummariesCostLittle(t *testing.T) {
	t.Parallel()
	names := numbered("f", 300)
	p := trusttest.Policy(t, signer, names...)
	n := replicatest.New(t, 1, p, replica.Start)
	var items []wire.Item
	for _, name := range names {
		rec := trusttest.Record(t, p, signer, name, []byte(name), v0)
		n.Write(t, rec)
		items = append(items, itemOf(rec))
	}
	slices.SortFunc(items, func(a, b wire.Item) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	n.Start(t)
	peer := newStranger(t)
	peer.connect(t, n)
	mine := rootOf(items...)
	for _, hello := range []wire.Hello{{Root: mine.Root, Count: mine.Count}, {Settled: mine.Root}} {
		s := peer.open(t, n, syncID)
		if err := wire.Write(s, hello); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(s); err != nil || len(answer) > 64 {
			t.Errorf("the answer has %d bytes: %v", len(answer), err)
		}
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
	msg, err := heard.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(msg.Data) != string(wire.Encode(headOf(ours, true))) {
		t.Errorf("gossiped first: %q", msg.Data)
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
	for _, proto := range []protocol.ID{ping.ID, syncID} {
		dead.host.SetStreamHandler(proto, silent)
	}
	dead.connect(t, n)
	replicatest.Eventually(t, "the peer is noticed", func() bool { return len(n.Replica.Peers()) == 1 })
	replicatest.Eventually(t, "the connection is closed", func() bool {
		return len(dead.host.Network().Conns()) == 0 || !n.Replica.Peers()[0].Connected
	})
}

func TestStartRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	busy := replicatest.New(t, 1, p, replica.Start)
	busy.Start(t)
	self := replica.PeerID(trusttest.Signer(1002).Public().Key)
	for _, c := range []struct{ listen, bootstrap string }{
		{listen: busy.Config.Listen[0]},
		{listen: busy.Config.Listen[1]},
		{listen: "/ip4/127.0.0.1"},
		{listen: "localhost:7946"},
		{bootstrap: "/ip4/127.0.0.1/tcp/7946"},
		{bootstrap: "/p2p/" + self},
	} {
		n := replicatest.New(t, 2, p, replica.Start)
		n.Config.Listen, n.Config.Bootstrap = append(n.Config.Listen, c.listen), []string{c.bootstrap}
		if c.listen == "" {
			n.Config.Listen = n.Config.Listen[:2]
		} else {
			n.Config.Bootstrap = nil
		}
		r, err := replica.Start(context.Background(), n.Config, n.Index)
		if err == nil {
			r.Close()
			t.Errorf("%+v: no error", c)
		} else if !contains(err.Error(), c.listen+c.bootstrap) {
			t.Errorf("%+v: the error does not name it: %v", c, err)
		}
	}
}

func TestOwnAddressIsSkipped(t *testing.T) {
	t.Parallel()
	n := replicatest.New(t, 1, trusttest.Policy(t, signer, "a"), func(ctx context.Context, cfg replica.Config, ix *index.Index) (*replica.Replica, error) {
		cfg.Bootstrap = []string{"/ip4/127.0.0.1/tcp/1/p2p/" + replica.PeerID(trusttest.Signer(1001).Public().Key)}
		return replica.Start(ctx, cfg, ix)
	})
	n.Start(t)
	if peers := n.Replica.Peers(); len(peers) != 0 {
		t.Errorf("peers: %+v", peers)
	}
}
