package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"
)

// TestSilenceIsNoticed: when a node is cut off without a word, it and the others notice within 15 seconds.
// Until then everybody knows the round trip to everybody.
func TestSilenceIsNoticed(t *testing.T) {
	t.Parallel()
	const delay = 20 * time.Millisecond
	p := trusttest.Policy(t, signer, "a")
	replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 3, p, everybody, func(t *testing.T, w *replicatest.Net) {
		w.SetFaults(replicatest.Faults{Delay: delay})
		w.Start(t)
		<-time.After(10 * time.Minute)
		for i, n := range w.Nodes {
			for _, o := range n.Replica.Peers() {
				if !o.Connected || o.RTT < 2*delay || o.RTT > 3*delay || time.Since(o.Seen) > 15*time.Second {
					t.Errorf("node %d says %+v", i, o)
				}
			}
		}
		w.Link(func(i, j int) bool { return i != 0 && j != 0 })
		<-time.After(15 * time.Second)
		for i, n := range w.Nodes {
			for _, o := range n.Replica.Peers() {
				if lost := i == 0 || o.ID == w.Nodes[0].Replica.ID(); o.Connected == lost {
					t.Errorf("node %d is connected to %s: %v", i, o.ID, o.Connected)
				}
			}
		}
	})
}
