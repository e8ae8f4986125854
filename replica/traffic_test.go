package replica_test

import (
	"bytes"
	"sync"
	"testing"

	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"
)

// TestMeetingsAndTraffic: a node is told whom it meets and loses, of its own end it is not told, and what
// it fetches is counted on both sides.
func TestMeetingsAndTraffic(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	nodes := replicatest.Mesh(t, same(2, p)...)
	one, other := nodes[0], nodes[1]
	var mu sync.Mutex
	var met []bool
	one.Stop(t)
	id := other.Replica.ID()
	one.Config.Met = func(who, _ string, connected bool) {
		mu.Lock()
		defer mu.Unlock()
		if who == id {
			met = append(met, connected)
		}
	}
	one.Start(t)
	large := trusttest.Record(t, p, signer, "a", bytes.Repeat([]byte("large"), 20000), v0)
	other.Write(t, large)
	replicatest.AwaitHeld(t, nodes, large)
	in, _ := one.Replica.Traffic()
	_, out := other.Replica.Traffic()
	if in < 100000 || in > 200000 || out < 100000 || out > 200000 {
		t.Errorf("%d bytes came, %d bytes went", in, out)
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(met)
	}
	replicatest.Eventually(t, "it has met the other one", func() bool { return count() >= 1 })
	other.Stop(t)
	replicatest.Eventually(t, "it has lost the other one", func() bool { return count() >= 2 })
	other.Start(t)
	replicatest.Eventually(t, "it has met the other one again", func() bool { return count() >= 3 })
	one.Stop(t)
	if len(met) != 3 || !met[0] || met[1] || !met[2] {
		t.Errorf("told: connected %v", met)
	}
}
