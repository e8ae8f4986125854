package replica_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"dmfs/replica/replicatest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// nat passes datagrams on between two hosts, to each of which it is the other one. Nothing gets in to the inner
// one before that has sent something.
type nat struct {
	conn         *net.UDPConn
	inner, outer net.Addr
}

func newNAT(t *testing.T, inner, outer *memberNode) (at ma.Multiaddr) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	n := &nat{conn, listenerOf(t, inner), listenerOf(t, outer)}
	var done sync.WaitGroup
	done.Go(n.forward)
	t.Cleanup(func() { conn.Close(); done.Wait() })
	udp, err := manet.FromNetAddr(conn.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	return udp.Encapsulate(ma.StringCast("/quic-v1"))
}

func (n *nat) forward() {
	open, buf := false, make([]byte, 2048)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		to := n.inner
		if from.String() == n.inner.String() {
			open, to = true, n.outer
		}
		if open {
			_, _ = n.conn.WriteTo(buf[:size], to) // or it is lost
		}
	}
}

// listenerOf returns where a node listens for QUIC.
func listenerOf(t *testing.T, n *memberNode) net.Addr {
	t.Helper()
	info, err := peer.AddrInfoFromString(n.Replica.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	addr, err := manet.ToNetAddr(info.Addrs[0].Decapsulate(ma.StringCast("/quic-v1")))
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// TestHandshakeThroughAHole: where a hole is punched both sides dial, and each is told that the connection is the
// one that it has dialled. Still just one of them begins the handshake of members.
func TestHandshakeThroughAHole(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	inner, outer := named(t, 1, p), named(t, 2, p)
	for _, n := range []*memberNode{inner, outer} {
		n.Config.Listen = []string{overQUIC}
		n.Start(t)
	}
	hole := newNAT(t, inner, outer)
	punch := func(from, to *memberNode, dials bool) error {
		ctx, cancel := context.WithTimeout(network.WithSimultaneousConnect(t.Context(), dials, "test"), replicatest.Patience)
		defer cancel()
		return from.Replica.Host().Connect(ctx, peer.AddrInfo{ID: to.id(t), Addrs: []ma.Multiaddr{hole}})
	}
	punched := make(chan error, 1)
	go func() { punched <- punch(inner, outer, false) }()
	if err := punch(outer, inner, true); err != nil {
		t.Error(err)
	}
	if err := <-punched; err != nil {
		t.Error(err)
	}
	for _, n := range []*memberNode{inner, outer} {
		conns := n.Replica.Host().Network().Conns()
		if len(conns) != 1 || !slices.ContainsFunc(conns, func(c network.Conn) bool {
			return c.Stat().Direction == network.DirOutbound && c.RemoteMultiaddr().Equal(hole)
		}) {
			t.Errorf("connections: %v", conns)
		}
	}
	replicatest.Eventually(t, "they meet", func() bool { return inner.sees(2) && outer.sees(1) })
}
