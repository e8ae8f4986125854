package replica_test

import (
	"slices"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	ma "github.com/multiformats/go-multiaddr"
)

// hidden returns a member that nobody can dial, and that knows the address of the relay alone.
func hidden(t testing.TB, i int, p *trust.Policy, relay *memberNode) *memberNode {
	t.Helper()
	n := named(t, i, p)
	n.Config.Listen, n.Config.Reachability = nil, replica.Private
	n.Config.Bootstrap = relay.Replica.Addrs()
	return n
}

// seesThrough reports whether a node is connected to another one by way of a relay, or directly with "".
func seesThrough(n, other *memberNode, relay string) bool {
	return slices.ContainsFunc(n.Replica.Peers(), func(p replica.Peer) bool {
		return p.ID == other.Replica.ID() && p.Connected && p.Relay == relay
	})
}

// TestMembersBehindNATMeetThroughARelay: they find each other by the contacts that it passes on, and what is
// published travels at once, small and large.
func TestMembersBehindNATMeetThroughARelay(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a", "b")
	for _, listen := range []string{overQUIC, overTCP} {
		relay := named(t, 1, p)
		relay.Config.Listen, relay.Config.Reachability = []string{listen}, replica.Public
		relay.Start(t)
		a, b := hidden(t, 2, p, relay), hidden(t, 3, p, relay)
		a.Start(t)
		b.Start(t)
		replicatest.Eventually(t, "they meet", func() bool {
			return seesThrough(a, b, relay.Replica.ID()) && seesThrough(b, a, relay.Replica.ID())
		})
		told := relay.Replica.AddrsOf(a.Replica.ID())
		if len(told) != 1 || !contains(told[0], "/p2p/"+relay.Replica.ID()+"/p2p-circuit") {
			t.Errorf("the contact has %q", told)
		}
		small, large := networkRecord(t, p, "a", []byte("small")), networkRecord(t, p, "b", pattern(3<<20, 1))
		a.Write(t, small, large)
		replicatest.AwaitHeld(t, []*replicatest.Node{b.Node, relay.Node}, small, large)
		relay.Stop(t)
		replicatest.Eventually(t, "they lose each other", func() bool { return !a.sees(3) && !b.sees(2) })
		relay.Start(t)
		replicatest.Eventually(t, "they meet again", func() bool { return a.sees(3) && b.sees(2) })
		for _, n := range []*memberNode{a, b, relay} {
			n.Stop(t)
		}
	}
}

// TestOnlyWhoSaysSoIsARelay: neither a member that does not know whether it is reachable, nor anybody without a
// network.
func TestOnlyWhoSaysSoIsARelay(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	for _, c := range []struct {
		reach replica.Reachability
		want  bool
	}{{"", false}, {replica.Auto, false}, {replica.Private, false}, {replica.Public, true}} {
		n, open := named(t, 1, p), replicatest.New(t, 2, networkPolicy(t, nil, "a"), replica.Start)
		n.Config.Reachability, open.Config.Reachability = c.reach, c.reach
		n.Start(t)
		open.Start(t)
		if got := replica.IsRelay(n.Replica); got != c.want {
			t.Errorf("%q: %v", c.reach, got)
		}
		if replica.IsRelay(open.Replica) || replica.UsesRelays(open.Replica) {
			t.Errorf("%q: a relay without a network", c.reach)
		}
		n.Stop(t)
	}
}

// startHidden starts a relay, and two members that nobody reaches but through it.
func startHidden(t *testing.T, p *trust.Policy) (relay, a, b *memberNode) {
	t.Helper()
	relay = named(t, 1, p)
	relay.Config.Reachability = replica.Public
	relay.Start(t)
	a, b = hidden(t, 2, p, relay), hidden(t, 3, p, relay)
	a.Start(t)
	b.Start(t)
	return relay, a, b
}

// TestRelayIsForMembers: who is none any more reserves nothing, connects to nobody, and is connected to by
// nobody.
func TestRelayIsForMembers(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	relay, a, b := startHidden(t, p)
	replicatest.Eventually(t, "they meet", func() bool { return seesThrough(a, b, relay.Replica.ID()) })
	id := func(i int) peer.ID {
		id, err := peer.Decode(replica.PeerID(keyOf(i)))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	may := replica.MayRelay(relay.Replica)
	if !may(id(2), "") || !may(id(2), id(3)) || may(id(4), "") || may(id(2), id(4)) || may(id(4), id(2)) {
		t.Error("a relay serves members, and them alone")
	}
	revoked := networkPolicy(t, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{keyOf(2)} }, "a")
	if err := relay.Index.SetPolicy(revoked); err != nil {
		t.Fatal(err)
	}
	if may(id(2), "") || may(id(2), id(3)) || may(id(3), id(2)) {
		t.Error("a relay serves who was revoked")
	}
	relay.Replica.PolicyChanged()
	replicatest.Eventually(t, "its circuits end", func() bool { return !b.sees(2) })
}

// TestStrangersUseNoRelay: they get no further than anywhere else.
func TestStrangersUseNoRelay(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	for _, listen := range []string{overQUIC, overTCP} {
		relay := named(t, 1, p)
		relay.Config.Listen, relay.Config.Reachability = []string{listen}, replica.Public
		relay.Start(t)
		inside := hidden(t, 2, p, relay)
		inside.Start(t)
		replicatest.Eventually(t, "it has reserved", func() bool { return len(relay.Replica.AddrsOf(inside.Replica.ID())) > 0 })
		for what, o := range map[string]*outsider{
			"none":     newOutsider(t, 7, listen, nil),
			"foreign":  impostor(t, 7, listen, certify(t, trusttest.Signer(9), keyOf(7), "outsider", -time.Hour, time.Hour)),
			"outdated": impostor(t, 7, listen, certify(t, authority, keyOf(7), "outsider", -2*time.Hour, -time.Hour)),
		} {
			at, err := peer.AddrInfoFromString(relay.Replica.Addrs()[0])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Reserve(t.Context(), o.host, *at); err == nil {
				t.Errorf("%s: it has reserved", what)
			}
			through, err := peer.AddrInfoFromString(relay.Replica.AddrsOf(inside.Replica.ID())[0] + "/p2p/" + inside.Replica.ID())
			if err != nil {
				t.Fatal(err)
			}
			if err := o.host.Connect(t.Context(), *through); err == nil {
				t.Errorf("%s: it is connected", what)
			}
		}
	}
}

// TestRelayedConnectionsAreAdmittedLikeOthers: whom one side's policy revokes is let through by a relay that does
// not know it yet, and refused by that side, whoever dials.
func TestRelayedConnectionsAreAdmittedLikeOthers(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	relay := named(t, 1, p)
	relay.Config.Reachability = replica.Public
	relay.Start(t)
	revoked := hidden(t, 2, p, relay)
	strict := hidden(t, 3, networkPolicy(t, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{keyOf(2)} }, "a"), relay)
	revoked.Start(t)
	strict.Start(t)
	replicatest.Eventually(t, "both have reserved", func() bool {
		return len(relay.Replica.AddrsOf(revoked.Replica.ID())) > 0 && len(relay.Replica.AddrsOf(strict.Replica.ID())) > 0
	})
	replicatest.Eventually(t, "it dials and is refused", func() bool { return revoked.log.count("not admitted by a peer", "revoked") > 0 })
	if revoked.sees(3) || strict.sees(2) {
		t.Error("they are connected")
	}
}

// TestDirectConnectionTakesTheRelaysPlace once there is a way.
func TestDirectConnectionTakesTheRelaysPlace(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	relay, a, b := startHidden(t, p)
	replicatest.Eventually(t, "they meet", func() bool { return seesThrough(b, a, relay.Replica.ID()) && replica.Relayed(a.Replica) == 1 })
	if err := a.Replica.Host().Network().Listen(ma.StringCast(overQUIC)); err != nil {
		t.Fatal(err)
	}
	at := peer.AddrInfo{ID: a.id(t), Addrs: a.Replica.Host().Network().ListenAddresses()}
	if err := b.Replica.Host().Connect(network.WithForceDirectDial(t.Context(), "test"), at); err != nil {
		t.Fatal(err)
	}
	replicatest.Eventually(t, "they do without", func() bool { return seesThrough(a, b, "") && seesThrough(b, a, "") })
	replicatest.Eventually(t, "nothing relayed is left", func() bool { return replica.Relayed(a.Replica)+replica.Relayed(b.Replica) == 0 })
	rec := networkRecord(t, p, "a", []byte("content"))
	a.Write(t, rec)
	replicatest.AwaitHeld(t, []*replicatest.Node{b.Node}, rec)
}
