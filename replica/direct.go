package replica

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const maxObserved = 8 // of our addresses, told to who punches a hole

// sightings are from where members see us come over QUIC, which dials from where it listens: behind NAT, this
// is where a hole can be punched.
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

// punchHoles has relayed connections followed by direct ones wherever NAT lets two sides that dial each other
// at the same moment through. Whoever is dialled through a relay begins.
func (r *Replica) punchHoles() error {
	h, ok := r.host.(interface{ IDService() identify.IDService })
	if !ok || r.admission == nil {
		return nil
	}
	// libp2p's own addresses would be the public ones alone, but a relay may be in any network.
	service, err := holepunch.NewService(r.host, h.IDService(), func() []ma.Multiaddr {
		return append(r.seen.all(), slices.DeleteFunc(r.listening.addrs(), manet.IsIPLoopback)...)
	}, holepunch.DirectDialTimeout(patientDial))
	if err != nil {
		return fmt.Errorf("hole punching: %w", err)
	}
	r.services = append(r.services, service)
	return nil
}

// identified takes note of how we are connected to a peer.
func (r *Replica) identified(ev event.EvtPeerIdentificationCompleted) {
	if ev.Conn == nil || isRelayed(ev.Conn.RemoteMultiaddr()) {
		return
	}
	r.seen.note(ev.Peer, ev.ObservedAddr)
	r.giveUpRelayed(ev.Peer)
	notify(r.moor)
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
		if r.isDirect(m.id) || len(r.host.Network().ConnsToPeer(m.id)) == 0 {
			continue
		}
		addrs := slices.DeleteFunc(r.addressesOf(m), isRelayed)
		r.spawn(func() {
			ctx, cancel := context.WithTimeout(network.WithForceDirectDial(m.ctx, "dmfs"), quickDial)
			defer cancel()
			r.clearBackoff(m.id)
			if err := r.host.Connect(ctx, peer.AddrInfo{ID: m.id, Addrs: addrs}); err != nil {
				r.log.Debug("no direct connection", "peer", m.id, "err", err)
			}
		})
	}
}
