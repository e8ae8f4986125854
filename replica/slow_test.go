package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// takes returns how long it takes until a node holds a record.
func takes(t *testing.T, n *replicatest.Node, rec trust.Record) time.Duration {
	t.Helper()
	begun := time.Now()
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, rec)
	return time.Since(begun)
}

// TestLateContentWakesNeighbours: a large content takes most of a second to the node in the middle of a chain, to which
// the one at the end comes in vain, and would come again much later. No timer helps.
func TestLateContentWakesNeighbours(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	chain := func(i, j int) bool { return i+j != 2 }
	replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 3, p, chain, func(t *testing.T, w *replicatest.Net) {
		for _, n := range w.Nodes {
			n.Config.SyncInterval = time.Hour
		}
		w.SetFaults(replicatest.Faults{Delay: 5 * time.Millisecond})
		w.SetUplink(0, 12<<20)
		w.Start(t)
		<-time.After(time.Minute)
		rec := trusttest.Record(t, p, signer, "a", pattern(trust.MaxContent, 1), v0)
		w.Nodes[0].Write(t, rec)
		first := takes(t, w.Nodes[1], rec)
		if first < 800*time.Millisecond || first > time.Second {
			t.Fatalf("the first one has it after %v", first)
		}
		second := takes(t, w.Nodes[2], rec)
		if second > 300*time.Millisecond {
			t.Errorf("the second one has it %v after the first one, which took %v", second, first)
		}
	})
}
