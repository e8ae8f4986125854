package replica

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	maxObserved = 8 // of our addresses, told to who punches a hole
	manyConns   = 6 // to one peer: libp2p has eight at most, and honest nodes two or three
)

var punchPauses = []time.Duration{500 * time.Millisecond, 5 * time.Second, 30 * time.Second, 5 * time.Minute}

// sightings are where members see us come from over QUIC, where that has dialled from where it listens: behind
// NAT, this is where a hole can be punched.
type sightings struct {
	mu sync.Mutex
	at map[peer.ID]ma.Multiaddr
}

func (s *sightings) note(id peer.ID, at ma.Multiaddr) {
	if at == nil || isRelayed(at) {
		return
	}
	if _, err := at.ValueForProtocol(ma.P_QUIC_V1); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[id] = at
}

func (s *sightings) forget(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.at, id)
}

func (s *sightings) all() []ma.Multiaddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := ma.Unique(slices.Collect(maps.Values(s.at)))
	return all[:min(len(all), maxObserved)]
}

// patientlyOverQUIC has TCP wait longer when a private node dials: a slow machine would be connected over TCP
// alone, on which nobody can tell it where to punch a hole.
func patientlyOverQUIC(addrs []ma.Multiaddr) []network.AddrDelay {
	ranked := swarm.DefaultDialRanker(addrs)
	isTCP := func(a network.AddrDelay) bool {
		_, err := a.Addr.ValueForProtocol(ma.P_TCP)
		return err == nil && !isRelayed(a.Addr)
	}
	quic := slices.ContainsFunc(ranked, func(a network.AddrDelay) bool { return !isTCP(a) && !isRelayed(a.Addr) })
	for i := range ranked {
		if quic && isTCP(ranked[i]) {
			ranked[i].Delay += time.Second
		}
	}
	slices.SortStableFunc(ranked, func(a, b network.AddrDelay) int { return cmp.Compare(a.Delay, b.Delay) })
	return ranked
}

// punchHoles has relayed connections followed by direct ones wherever NAT lets two sides that dial each other
// at the same moment through. Whoever is dialled through a relay begins.
func (r *Replica) punchHoles() error {
	h, ok := r.host.(interface{ IDService() identify.IDService })
	if !ok || r.admission == nil {
		return nil
	}
	// libp2p's own addresses would be the public ones alone, but a relay may be in any network.
	service, err := holepunch.NewService(r.host, h.IDService(), r.holes, holepunch.DirectDialTimeout(patientDial))
	if err != nil {
		return fmt.Errorf("hole punching: %w", err)
	}
	r.services = append(r.services, service)
	r.puncher = service
	return nil
}

// identified takes note of how we are connected to a peer.
func (r *Replica) identified(ev event.EvtPeerIdentificationCompleted) {
	if len(r.host.Network().ConnsToPeer(ev.Peer)) >= manyConns {
		r.blame(ev.Peer, faultCopies, nil)
	}
	switch {
	case ev.Conn == nil:
	case !isRelayed(ev.Conn.RemoteMultiaddr()):
		if r.listening.has(ev.Conn.LocalMultiaddr()) {
			r.seen.note(ev.Peer, ev.ObservedAddr)
		}
		r.giveUpRelayed(ev.Peer)
		r.berths.doubt(ev.Peer)
		notify(r.moor)
	default:
		r.keepOneRelayed(ev.Peer)
		r.spawn(func() { r.punchOn(ev.Peer) })
	}
}

// keepOneRelayed closes what two nodes that dialled each other through relays have too many, which is the same
// on both sides: libp2p cannot tell then who begins to punch a hole.
func (r *Replica) keepOneRelayed(id peer.ID) {
	good := network.DirInbound
	if r.host.ID() > id {
		good = network.DirOutbound
	}
	conns := r.host.Network().ConnsToPeer(id)
	if !slices.ContainsFunc(conns, func(c network.Conn) bool { return c.Stat().Direction == good }) {
		return
	}
	for _, c := range conns {
		if isRelayed(c.RemoteMultiaddr()) && c.Stat().Direction != good {
			c.Close()
			r.members.suspect(id)
		}
	}
}

// punchOn goes on where libp2p tries but once, at the moment of a relayed connection.
func (r *Replica) punchOn(id peer.ID) {
	for _, pause := range punchPauses {
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(pause):
		}
		if !r.isConnected(id) || r.isDirect(id) {
			return
		}
		r.punch(id)
	}
}

// punch returns when there is a hole, or none.
func (r *Replica) punch(id peer.ID) {
	inbound := func(c network.Conn) bool { return c.Stat().Direction == network.DirInbound }
	if r.puncher == nil || len(r.holes()) == 0 || !slices.ContainsFunc(r.host.Network().ConnsToPeer(id), inbound) {
		return // the other side begins
	}
	done := make(chan error, 1)
	go func() { done <- r.puncher.DirectConnect(id) }() // which may not begin before libp2p knows the addresses
	select {
	case <-r.ctx.Done():
	case err := <-done:
		if err != nil {
			r.log.Debug("no hole was punched", "peer", id, "err", err)
		}
	}
}

// holes are the addresses at which we can be reached at the moment that we dial.
func (r *Replica) holes() []ma.Multiaddr {
	return append(r.seen.all(), slices.DeleteFunc(r.listening.addrs(), manet.IsIPLoopback)...)
}

// giveUpRelayed closes the relayed connections to a peer to which there is a direct one. What was under way on
// them is pulled anew.
func (r *Replica) giveUpRelayed(id peer.ID) {
	if !r.isDirect(id) {
		return
	}
	for _, c := range r.host.Network().ConnsToPeer(id) {
		if isRelayed(c.RemoteMultiaddr()) {
			r.log.Debug("a direct connection takes the place of a relayed one", "peer", id)
			c.Close()
			r.members.suspect(id)
		}
	}
}

// straighten dials the peers directly to which there are relayed connections only.
func (r *Replica) straighten() {
	for _, m := range r.members.connected(true) {
		if !r.isDirect(m.id) && len(r.host.Network().ConnsToPeer(m.id)) > 0 {
			r.spawn(func() { r.dialDirectly(m) })
		}
	}
}

func (r *Replica) dialDirectly(m *member) {
	ctx, cancel := context.WithTimeout(network.WithForceDirectDial(m.ctx, "dmfs"), quickDial)
	defer cancel()
	r.clearBackoff(m.id)
	addrs := slices.DeleteFunc(r.addressesOf(m), isRelayed)
	if err := r.host.Connect(ctx, peer.AddrInfo{ID: m.id, Addrs: addrs}); err != nil {
		r.log.Debug("no direct connection", "peer", m.id, "err", err)
	}
}
