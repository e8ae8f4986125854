package replica_test

import (
	"fmt"
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

// TestFaultsAreKept: who forges, and is not connected, is named once, and it is counted how often.
func TestFaultsAreKept(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	n := replicatest.New(t, 1, p, replica.Start)
	var named []replica.Fault
	n.Config.Blamed = func(id, _ string, f replica.Fault) {
		if id == replica.PeerID(keyOf(mallory)) {
			named = append(named, f)
		}
	}
	n.Start(t)
	bad := peerIDOf(t, keyOf(mallory))
	begun := time.Now()
	forged := headOf(trusttest.Record(t, p, signer, "a", []byte("a"), v0), true)
	forged.Content = []byte("b")
	for range 3 {
		if got := n.Replica.Judge(bad, wire.Encode(forged)); got != pubsub.ValidationReject {
			t.Fatalf("a forgery is judged %v", got)
		}
	}
	peers := n.Replica.Peers()
	if len(peers) != 1 || peers[0].ID != bad.String() || peers[0].Connected || len(peers[0].Faults) != 1 {
		t.Fatalf("peers: %+v", peers)
	}
	f := peers[0].Faults[0]
	if f.Kind != "forged" || f.Honest || f.Count != 3 || f.Last.Before(begun) {
		t.Errorf("fault: %+v", f)
	}
	if len(named) != 1 || named[0].Kind != f.Kind || named[0].Count != 1 {
		t.Errorf("told: %+v", named)
	}
	for _, total := range n.Replica.Faults() {
		if want := map[string]uint64{"forged": 3}[total.Kind]; total.Count != want || total.Text == "" {
			t.Errorf("of anybody: %+v", total)
		}
	}
}

// TestFaultsAreForgotten after a day, and after an hour when another peer needs the place.
func TestFaultsAreForgotten(t *testing.T) {
	t.Parallel()
	tell, counts, most := replica.Told()
	begin := time.Unix(1e9, 0)
	for i := range most {
		tell(peer.ID(fmt.Sprint(i)), begin)
	}
	tell("0", begin.Add(time.Hour))
	if first, _ := tell("late", begin.Add(time.Hour)); first {
		t.Error("somebody had to make room within the hour")
	}
	if first, _ := tell("late", begin.Add(time.Hour+1)); !first {
		t.Error("nobody makes room after an hour")
	}
	if got := counts(begin.Add(25 * time.Hour)); len(got) != 2 || got["0"] != 2 || got["late"] != 1 {
		t.Errorf("remembered within the day: %v", got)
	}
	if got := counts(begin.Add(26 * time.Hour)); len(got) != 0 {
		t.Errorf("remembered after a day: %v", got)
	}
	tell("0", begin.Add(50*time.Hour))
	if got := counts(begin.Add(50 * time.Hour)); len(got) != 1 || got["0"] != 1 {
		t.Errorf("counted anew: %v", got)
	}
}

func peerIDOf(t *testing.T, k trust.Key) peer.ID {
	t.Helper()
	id, err := peer.Decode(replica.PeerID(k))
	if err != nil {
		t.Fatal(err)
	}
	return id
}
