package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	hop "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/util"
)

// TestReservationEndsWithMembership: who is expelled keeps no place at a relay, not even for the day that it is a
// member again.
func TestReservationEndsWithMembership(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	relay := named(t, 1, p)
	relay.Config.Listen, relay.Config.Reachability = []string{overQUIC}, replica.Public
	relay.Start(t)
	guest := impostor(t, 7, overQUIC, certify(t, authority, keyOf(7), "guest", -time.Hour, time.Hour))
	caller := impostor(t, 8, overQUIC, certify(t, authority, keyOf(8), "caller", -time.Hour, time.Hour))
	at, err := peer.AddrInfoFromString(relay.Replica.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Reserve(t.Context(), guest.host, *at); err != nil {
		t.Fatal(err)
	}
	if err := caller.connect(t, relay); err != nil {
		t.Fatal(err)
	}
	if got := call(t, caller, guest, at.ID); got != pb.Status_OK {
		t.Fatalf("a member calls another: %v", got)
	}
	judge := func(p *trust.Policy) {
		t.Helper()
		if err := relay.Index.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		relay.Replica.PolicyChanged()
	}
	judge(networkPolicy(t, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{keyOf(7)} }, "a"))
	replicatest.Eventually(t, "it is expelled", func() bool {
		return len(relay.Replica.Host().Network().ConnsToPeer(guest.host.ID())) == 0
	})
	if got := call(t, caller, guest, at.ID); got != pb.Status_PERMISSION_DENIED {
		t.Errorf("a member calls who was expelled: %v", got)
	}
	judge(p)
	replicatest.Eventually(t, "it is a member again", func() bool { return guest.connect(t, relay) == nil })
	if got := call(t, caller, guest, at.ID); got != pb.Status_NO_RESERVATION {
		t.Errorf("a member calls who is back: %v", got)
	}
}

// call asks a relay for a connection, and returns what it answers.
func call(t *testing.T, from, to *outsider, relay peer.ID) pb.Status {
	t.Helper()
	s, err := from.host.NewStream(t.Context(), relay, hop.ProtoIDv2Hop)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Reset()
	if err := s.SetDeadline(time.Now().Add(replicatest.Patience)); err != nil {
		t.Fatal(err)
	}
	ask := &pb.HopMessage{Type: pb.HopMessage_CONNECT.Enum(), Peer: util.PeerInfoToPeerV2(peer.AddrInfo{ID: to.host.ID()})}
	if err := util.NewDelimitedWriter(s).WriteMsg(ask); err != nil {
		t.Fatal(err)
	}
	var answer pb.HopMessage
	if err := util.NewDelimitedReader(s, 4096).ReadMsg(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.GetStatus()
}
