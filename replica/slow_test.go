package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// takes returns how long it takes until a node holds records.
func takes(t *testing.T, n *replicatest.Node, recs ...trust.Record) time.Duration {
	t.Helper()
	begun := time.Now()
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, recs...)
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

// TestSlowSourcesAddUp: a node comes late to three that have much and send slowly, and gets it from all of them:
// one content, or a thousand.
func TestSlowSourcesAddUp(t *testing.T) {
	t.Parallel()
	const rate = 256 << 10
	names := numbered("f", 1000)
	p := trusttest.Policy(t, signer, names...)
	var many []trust.Record
	for i, name := range names {
		many = append(many, trusttest.Record(t, p, signer, name, pattern(10<<10, byte(i)), v0))
	}
	one := []trust.Record{trusttest.Record(t, p, signer, names[0], pattern(trust.MaxContent, 1), v0)}
	for what, recs := range map[string][]trust.Record{"one": one, "many": many} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 4, p, everybody, func(t *testing.T, w *replicatest.Net) {
				w.SetFaults(replicatest.Faults{Delay: 10 * time.Millisecond})
				late := w.Nodes[3]
				for i, n := range w.Nodes[:3] {
					w.SetUplink(i, rate)
					n.Write(t, recs...)
					n.Start(t)
				}
				<-time.After(time.Minute)
				late.Start(t)
				took := takes(t, late, recs...)
				if alone := trust.MaxContent / rate * time.Second; took > alone*6/10 {
					t.Errorf("it took %v; from one alone it takes %v", took, alone)
				}
				for i := range 3 {
					t.Logf("node %d sent %d of %d KiB", i, w.SentBy(i).Bytes>>10, trust.MaxContent>>10)
				}
				t.Log("it took", took)
			})
		})
	}
}
