package replica_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// TestSpareConnectionsAreClosed: two who dial each other at once keep one connection, the same on both sides, and
// do not part.
func TestSpareConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 2, p, nobody, func(t *testing.T, w *replicatest.Net) {
		w.Link(everybody)
		w.SetFaults(replicatest.Faults{Delay: 20 * time.Millisecond})
		var parted atomic.Int32
		for _, n := range w.Nodes {
			n.Config.Met = func(_, _ string, connected bool) {
				if !connected {
					parted.Add(1)
				}
			}
			n.Start(t)
		}
		dialEachOther(t, w.Nodes[0], w.Nodes[1])
		for i, n := range w.Nodes {
			if got := len(n.Replica.Host().Network().Conns()); got != 2 {
				t.Errorf("node %d has %d connections: nothing is tested", i, got)
			}
		}
		<-time.After(time.Minute)
		for i, n := range w.Nodes {
			conns := n.Replica.Host().Network().Conns()
			if len(conns) != 1 {
				t.Errorf("node %d has %d connections", i, len(conns))
			} else if dialer := conns[0].Stat().Direction == network.DirOutbound; dialer != (n.Replica.Host().ID() > conns[0].RemotePeer()) {
				t.Errorf("node %d has kept the other one", i)
			}
		}
		if parted.Load() > 0 {
			t.Error("they have parted")
		}
	})
}

func nobody(int, int) bool { return false }

// dialEachOther returns when both dials have succeeded.
func dialEachOther(t *testing.T, a, b *replicatest.Node) {
	t.Helper()
	var group sync.WaitGroup
	for from, to := range map[*replicatest.Node]*replicatest.Node{a: b, b: a} {
		at := peer.AddrInfo{ID: to.Replica.Host().ID(), Addrs: []ma.Multiaddr{ma.StringCast(to.Config.Listen[0])}}
		group.Go(func() {
			if err := from.Replica.Host().Connect(t.Context(), at); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
