package replica_test

import (
	"context"
	"sync"
	"testing"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// cutter is a gater that refuses peers.
type cutter struct {
	mu  sync.Mutex
	cut map[peer.ID]bool
}

func (c *cutter) set(id peer.ID, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[id] = cut
}

func (c *cutter) may(id peer.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.cut[id]
}

func (c *cutter) InterceptPeerDial(id peer.ID) bool { return c.may(id) }

func (c *cutter) InterceptAddrDial(id peer.ID, _ ma.Multiaddr) bool { return c.may(id) }

func (c *cutter) InterceptAccept(network.ConnMultiaddrs) bool { return true }

func (c *cutter) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	return c.may(id)
}

func (c *cutter) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// wires is a mesh whose connections can be cut.
type wires struct {
	nodes   []*replicatest.Node
	cutters []*cutter
}

func wired(t *testing.T, n int, p *trust.Policy) *wires {
	w := &wires{}
	w.nodes = replicatest.MeshWith(t, func(int) replicatest.Starter {
		c := &cutter{cut: make(map[peer.ID]bool)}
		w.cutters = append(w.cutters, c)
		return func(ctx context.Context, cfg replica.Config, ix *index.Index) (*replica.Replica, error) {
			return replica.StartWith(ctx, cfg, ix, libp2p.ConnectionGater(c))
		}
	}, same(n, p)...)
	return w
}

// cut cuts or heals the wire between two nodes.
func (w *wires) cut(a, b int, cut bool) {
	ha, hb := w.nodes[a].Replica.Host(), w.nodes[b].Replica.Host()
	w.cutters[a].set(hb.ID(), cut)
	w.cutters[b].set(ha.ID(), cut)
	if cut {
		ha.Network().ClosePeer(hb.ID())
		hb.Network().ClosePeer(ha.ID())
	}
}

func TestPartitionHeals(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "left", "right", "both", "tie")
	w := wired(t, 4, p)
	split := func(cut bool) {
		for _, a := range []int{0, 1} {
			for _, b := range []int{2, 3} {
				w.cut(a, b, cut)
			}
		}
	}
	split(true)
	left := trusttest.Record(t, p, signer, "left", pattern(100_000, 1), v0)
	right := trusttest.Record(t, p, signer, "right", []byte("right"), v0)
	older := trusttest.Record(t, p, signer, "both", []byte("older"), v0)
	newer := trusttest.Record(t, p, signer, "both", []byte("newer"), v0+1)
	ties := []trust.Record{
		trusttest.Record(t, p, signer, "tie", []byte("one"), v0),
		trusttest.Record(t, p, signer, "tie", []byte("two"), v0),
	}
	w.nodes[0].Write(t, left, newer, ties[0])
	w.nodes[3].Write(t, right, older, ties[1])
	replicatest.AwaitHeld(t, w.nodes[:2], left, newer, ties[0])
	replicatest.AwaitHeld(t, w.nodes[2:], right, older, ties[1])
	split(false)
	replicatest.AwaitHeld(t, w.nodes, left, right, newer, winner(ties))
}

// TestLargeContentOverTwoHops: the middle forwards the head before it has the content.
func TestLargeContentOverTwoHops(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	w := wired(t, 3, p)
	w.cut(0, 2, true)
	rec := trusttest.Record(t, p, signer, "a", pattern(5<<20, 1), v0)
	w.nodes[0].Write(t, rec)
	replicatest.AwaitHeld(t, w.nodes, rec)
}

// TestSyncSpreads: what the middle gets by sync reaches the end without waiting for the timer.
func TestSyncSpreads(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	w := wired(t, 3, p)
	w.cut(0, 1, true)
	w.cut(0, 2, true)
	rec := trusttest.Record(t, p, signer, "a", []byte("a"), v0)
	w.nodes[0].Write(t, rec)
	w.cut(0, 1, false)
	replicatest.AwaitHeld(t, w.nodes, rec)
}
