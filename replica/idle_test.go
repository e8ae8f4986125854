package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
)

func everybody(int, int) bool { return true }

// TestIdleCost: in a network of 30, a node sends less than 100 bytes a second while nothing happens, all that
// libp2p does included, and less than 50 KB when something is published. The log says of what.
func TestIdleCost(t *testing.T) {
	t.Parallel()
	n := 30
	if replicatest.Hurried() {
		n = 10
	}
	p := trusttest.Policy(t, signer, "a")
	sent := newTraffic()
	replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, n, p, everybody, func(t *testing.T, w *replicatest.Net) {
		w.SetFaults(replicatest.Faults{Delay: 5 * time.Millisecond, Jitter: 10 * time.Millisecond})
		w.Start(t)
		<-time.After(time.Minute) // until all have told what they hold
		cost := func(what string) int {
			before, wire := sent.byProtocol(), w.Sent()
			<-time.After(time.Minute)
			t.Logf("%s: each node sends %.1f datagrams and %.0f bytes a second, with all headers", what,
				float64(w.Sent().Datagrams-wire.Datagrams)/60/float64(n), float64(w.Sent().Bytes-wire.Bytes)/60/float64(n))
			all := 0
			for id, now := range sent.byProtocol() {
				all += now - before[id]
				t.Logf("of which %7.1f in streams of %q", float64(now-before[id])/60/float64(n), id)
			}
			return all / n
		}
		if each := cost("idle"); each > 100*60 {
			t.Errorf("idle, each node sends %d bytes a minute", each)
		}
		w.Nodes[0].Write(t, trusttest.Record(t, p, signer, "a", []byte("a"), v0))
		if each := cost("publication"); each > 50_000+100*60 {
			t.Errorf("a publication has each node send %d bytes in the minute after it", each)
		}
	}, libp2p.BandwidthReporter(sent))
}
