package replica_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
)

// star returns n nodes, not started but for the first one, the only one whose address the others know.
func star(t *testing.T, n int, node func(i int) *replicatest.Node) []*replicatest.Node {
	t.Helper()
	nodes := []*replicatest.Node{node(0)}
	nodes[0].Start(t)
	for i := 1; i < n; i++ {
		nodes = append(nodes, node(i))
		nodes[i].Config.Bootstrap = nodes[0].Replica.Addrs()
		nodes[i].Config.PeersFile = filepath.Join(t.TempDir(), "peers")
	}
	return nodes
}

// meshed reports whether all the nodes are connected to each other.
func meshed(nodes ...*replicatest.Node) bool {
	for _, n := range nodes {
		for _, other := range nodes {
			if !slices.ContainsFunc(n.Replica.Peers(), func(p replica.Peer) bool {
				return other == n || p.ID == other.Replica.ID() && p.Connected
			}) {
				return false
			}
		}
	}
	return true
}

// TestNobodyNeedsToKnowEverybody: behind one peer, all find each other; and again after a restart when it
// is gone.
func TestNobodyNeedsToKnowEverybody(t *testing.T) {
	t.Parallel()
	open, closed := trusttest.Policy(t, signer, "a"), networkPolicy(t, nil, "a")
	for what, node := range map[string]func(int) *replicatest.Node{
		"open":    func(i int) *replicatest.Node { return replicatest.New(t, i, open, replica.Start) },
		"members": func(i int) *replicatest.Node { return named(t, i, closed).Node },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			nodes := star(t, 5, node)
			for _, n := range nodes[1:] {
				n.Start(t)
			}
			replicatest.Eventually(t, "all are connected", func() bool { return meshed(nodes...) })
			for _, n := range nodes {
				n.Stop(t)
			}
			for _, n := range nodes[1:] {
				n.Start(t)
			}
			replicatest.Eventually(t, "the others are connected again", func() bool { return meshed(nodes[1:]...) })
		})
	}
}

// identity returns the private key of the i-th node.
func identity(t *testing.T, i int) crypto.PrivKey {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(trusttest.Signer(1000 + i).Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestWhoIsRevokedIsForgotten: nobody dials, or tells others of, who is no member any more.
func TestWhoIsRevokedIsForgotten(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	var members []*memberNode
	nodes := star(t, 3, func(i int) *replicatest.Node {
		members = append(members, named(t, i, p))
		return members[i].Node
	})
	nodes[1].Start(t)
	nodes[2].Start(t)
	replicatest.Eventually(t, "all are connected", func() bool { return meshed(nodes...) })
	revoked := networkPolicy(t, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{keyOf(2)} }, "a")
	if err := nodes[1].Index.SetPolicy(revoked); err != nil {
		t.Fatal(err)
	}
	nodes[1].Replica.PolicyChanged()
	replicatest.Eventually(t, "it is forgotten", func() bool {
		peers := nodes[1].Replica.Peers()
		return len(peers) == 1 && peers[0].ID == nodes[0].Replica.ID() && peers[0].Connected
	})
}

// TestLargeNetwork: nobody keeps connected to all; still all hear of everything, also when the peer that all
// began with is gone, in whose place others are chosen.
func TestLargeNetwork(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a", "b")
	nodes := star(t, 12, func(i int) *replicatest.Node {
		n := replicatest.New(t, i, p, replica.Start)
		n.Config.SetCrowd(4, 4, 4)
		n.Config.SyncInterval = 100 * time.Millisecond
		return n
	})
	for _, n := range nodes[1:] {
		n.Start(t)
	}
	chosen := func(nodes ...*replicatest.Node) bool {
		return !slices.ContainsFunc(nodes, func(n *replicatest.Node) bool { return len(connectedOf(n.Replica.Chosen(), n)) < 4 })
	}
	replicatest.Eventually(t, "all have chosen", func() bool { return chosen(nodes...) })
	for i, n := range nodes[6:] {
		if got := len(n.Replica.Chosen()); got > 4+4 {
			t.Errorf("node %d has chosen %d", i, got)
		}
	}
	rec := trusttest.Record(t, p, signer, "a", []byte("a"), v0)
	nodes[5].Write(t, rec)
	replicatest.AwaitHeld(t, nodes, rec)
	nodes[0].Stop(t)
	left := nodes[1:]
	rec = trusttest.Record(t, p, signer, "b", pattern(100_000, 1), v0)
	left[0].Write(t, rec)
	replicatest.AwaitHeld(t, left, rec)
	replicatest.Eventually(t, "others were chosen", func() bool { return chosen(left...) })
}

// connectedOf returns the peers to which a node is connected.
func connectedOf(ids []string, n *replicatest.Node) []string {
	peers := n.Replica.Peers()
	return slices.DeleteFunc(ids, func(id string) bool {
		return !slices.ContainsFunc(peers, func(p replica.Peer) bool { return p.ID == id && p.Connected })
	})
}

// TestContactsOfStrangersAreNotTaken: a member tells of others, with and without what proves them.
func TestContactsOfStrangersAreNotTaken(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	n, honest := named(t, 1, p), named(t, 2, p)
	n.Start(t)
	honest.Start(t)
	info, err := peer.AddrInfoFromString(honest.Replica.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	messages, items := tales(t, *honest.chain.Load(), info.Addrs)
	bad := impostor(t, 7, overQUIC, certify(t, authority, keyOf(7), "bad", -1e12, 1e15))
	id := replica.ProtocolsOf(authority.Public().Key)[3]
	(&stranger{host: bad.host}).answer(id, func(s network.Stream, m wire.Message) {
		switch m.(type) {
		case wire.Root:
			wire.Write(s, wire.Root{Hash: wire.Hash{1}})
		case wire.Look:
			wire.Write(s, wire.Leaf{Items: items})
		case wire.Want:
			for _, said := range messages {
				wire.Write(s, said)
			}
			wire.Write(s, wire.End{})
		}
	})
	// It has to speak sync to be taken for a node.
	bad.host.SetStreamHandler(replica.ProtocolsOf(authority.Public().Key)[0], func(s network.Stream) { s.Reset() })
	if err := bad.connect(t, n); err != nil {
		t.Fatal(err)
	}
	replicatest.Eventually(t, "the member is found", func() bool { return n.sees(2) })
	for _, got := range n.Replica.Peers() {
		if got.ID != replica.PeerID(keyOf(2)) && got.ID != replica.PeerID(keyOf(7)) {
			t.Errorf("dialled: %+v", got)
		}
	}
}

// tales returns a good contact, and bad ones before it.
func tales(t *testing.T, good trust.Chain, addrs []ma.Multiaddr) (messages []wire.Message, items []wire.Item) {
	t.Helper()
	add := func(key int, c trust.Chain) {
		said, it, err := replica.Contact(identity(t, key), addrs, 1<<62, c)
		if err != nil {
			t.Fatal(err)
		}
		messages, items = append(messages, said), append(items, it)
	}
	add(10, trust.Chain{})
	add(11, certify(t, trusttest.Signer(9), keyOf(11), "foreign", -1e12, 1e15))
	add(12, good)
	add(13, certify(t, authority, keyOf(13), "over", -2e12, -1e12))
	add(2, good)
	slices.SortFunc(items, func(a, b wire.Item) int { return slices.Compare(a.Key[:], b.Key[:]) })
	return messages, items
}

// TestForgedContacts: whoever changes one is refused, and a book has room for no more than it says.
func TestForgedContacts(t *testing.T) {
	t.Parallel()
	add, size := replica.NewBook(false)
	contact := func(i int) wire.Contact {
		said, _, err := replica.Contact(identity(t, i), []ma.Multiaddr{ma.StringCast("/ip4/10.1.2.3/tcp/7946")}, 1, trust.Chain{})
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	genuine := contact(1)
	for i := range genuine.Envelope {
		forged := wire.Contact{Envelope: slices.Clone(genuine.Envelope)}
		forged.Envelope[i] ^= 1
		if add(forged, true) == nil {
			t.Errorf("byte %d may be changed", i)
		}
	}
	id, _ := peer.Decode(replica.PeerID(trusttest.Signer(3).Public().Key))
	others, err := record.Seal(&peer.PeerRecord{PeerID: id, Seq: 1}, identity(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := others.Marshal()
	if add(wire.Contact{Envelope: text}, true) == nil {
		t.Error("one peer may speak for another")
	}
	for i := range 400 {
		err := add(contact(i), false)
		if (err == nil) != (i < 300) {
			t.Fatalf("contact %d: %v", i, err)
		}
	}
	if err := add(contact(400), true); err != nil || size() != 300 {
		t.Errorf("a peer that was met: %v, %d contacts", err, size())
	}
}

// TestSomeAreChosenOfMany: all in a small network, a few in a large one.
func TestSomeAreChosenOfMany(t *testing.T) {
	t.Parallel()
	ids := func(n int) (list []peer.ID) {
		for i := range n {
			list = append(list, peer.ID(fmt.Sprint(i)))
		}
		return list
	}
	lost := map[peer.ID]bool{}
	for _, id := range ids(50) {
		lost[id] = true
	}
	for _, id := range replica.Pick(ids(65), nil, lost) {
		if lost[id] {
			t.Errorf("%s is picked though it was lost", id)
		}
	}
	for _, c := range []struct{ known, chosen, want int }{
		{64, 0, 64}, {64, 60, 4}, {65, 0, 12}, {1000, 7, 5}, {1000, 8, 0}, {1000, 16, 0}, {0, 0, 0},
	} {
		got := replica.Pick(ids(c.known), ids(c.chosen), lost)
		slices.Sort(got)
		if len(slices.Compact(got)) != c.want {
			t.Errorf("%+v: %d picked", c, len(got))
		}
		for _, id := range ids(c.chosen) {
			if slices.Contains(got, id) {
				t.Errorf("%+v: %s again", c, id)
			}
		}
	}
}
