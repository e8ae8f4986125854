package replica

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	hop "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Reachability says whether others can open connections to a node.
type Reachability string

// In a network, members that are Public pass on connections to those that are Private. Without one nobody does.
const (
	Auto    Reachability = "auto"    // not known; "" is Auto, too
	Public  Reachability = "public"  // anybody can
	Private Reachability = "private" // nobody can, as behind NAT
)

const (
	maxRelays     = 3 // at which a private node reserves
	maxRelayAddrs = 3 // told for each of them
	reserveWithin = 5 * time.Second
	reserveEvery  = 30 * time.Second // again, what was refused
	maxPrivate    = 1024             // that reserve at one relay
	maxCircuits   = 256              // of one of them at one relay
	relayBuffer   = 16 << 10         // bytes for each direction of a circuit
)

// members lets members only use us as a relay, and only to each other.
type members struct{ *admission }

func (m members) AllowReserve(id peer.ID, _ ma.Multiaddr) bool { return m.still(id) == nil }

func (m members) AllowConnect(from peer.ID, _ ma.Multiaddr, to peer.ID) bool {
	return m.still(from) == nil && m.still(to) == nil
}

// serveRelay passes connections between members on until Close. libp2p would do so only once it believes that
// we are reachable, and for 128 KiB.
func (r *Replica) serveRelay() error {
	if r.admission == nil || r.reachability != Public {
		return nil
	}
	resources := relay.DefaultResources()
	resources.MaxReservations, resources.MaxReservationsPerIP, resources.MaxReservationsPerASN = maxPrivate, maxPrivate, maxPrivate
	resources.MaxCircuits, resources.BufferSize = maxCircuits, relayBuffer
	service, err := relay.New(r.host, relay.WithResources(resources), relay.WithInfiniteLimits(), relay.WithACL(members{r.admission}))
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	r.services = append(r.services, service)
	return nil
}

// limitRelay lets a relay have as many streams as that takes; its users' certificates bound who asks.
func limitRelay(limits *rcmgr.ScalingLimitConfig) {
	most := rcmgr.BaseLimit{Streams: 8192, StreamsInbound: 4096, StreamsOutbound: 4096, Memory: 256 << 20}
	each := rcmgr.BaseLimit{Streams: 2 * maxCircuits, StreamsInbound: maxCircuits, StreamsOutbound: maxCircuits, Memory: 16 << 20}
	limits.AddServiceLimit(relay.ServiceName, most, rcmgr.BaseLimitIncrease{})
	limits.AddServicePeerLimit(relay.ServiceName, each, rcmgr.BaseLimitIncrease{})
	for _, id := range []protocol.ID{hop.ProtoIDv2Hop, hop.ProtoIDv2Stop} {
		limits.AddProtocolLimit(id, most, rcmgr.BaseLimitIncrease{})
		limits.AddProtocolPeerLimit(id, each, rcmgr.BaseLimitIncrease{})
	}
}

// relayed has the host use relays, if there is a network.
func (a *admission) relayed(how Reachability) libp2p.Option {
	switch {
	case a == nil:
		return libp2p.DisableRelay()
	case how == Private:
		return libp2p.ChainOptions(libp2p.EnableRelay(), libp2p.SwarmOpts(swarm.WithDialRanker(patientlyOverQUIC)))
	}
	return libp2p.EnableRelay()
}

// isRelayed reports whether an address is one through a relay.
func isRelayed(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// relayOf returns the relay of an address, "" when it needs none.
func relayOf(a ma.Multiaddr) peer.ID {
	before, after := ma.SplitFunc(a, func(c ma.Component) bool { return c.Protocol().Code == ma.P_CIRCUIT })
	if after == nil {
		return ""
	}
	info, err := peer.AddrInfoFromP2pAddr(before)
	if err != nil {
		return ""
	}
	return info.ID
}

// berths are the relays at which a private node has reserved.
type berths struct {
	mu    sync.Mutex
	until map[peer.ID]time.Time
}

func (b *berths) all() (ids []peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.until {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (b *berths) get(id peer.ID) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until[id]
}

// set notes a reservation, or with zero that there is none any more, and reports whether that is another relay.
func (b *berths) set(id peer.ID, until time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, had := b.until[id]
	if until.IsZero() {
		delete(b.until, id)
		return had
	}
	b.until[id] = until
	return !had
}

// doubt has a reservation renewed, as a relay to which there is a new connection may have forgotten it.
func (b *berths) doubt(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.until[id]; ok {
		b.until[id] = time.Now().Add(reserveEvery)
	}
}

// keepReserved has a private node reserve at some of the relays that it is connected to.
func (r *Replica) keepReserved() {
	for {
		r.reserve()
		select {
		case <-r.ctx.Done():
			return
		case <-r.moor:
		case <-time.After(reserveEvery):
		}
	}
}

// reserve gives up those that are lost and renews those that end.
func (r *Replica) reserve() {
	changed := false
	for _, id := range r.berths.all() {
		if !r.isDirect(id) || time.Now().After(r.berths.get(id)) {
			changed = r.berths.set(id, time.Time{}) || changed
		}
	}
	for _, m := range r.members.connected(true) {
		until := r.berths.get(m.id)
		if !r.isDirect(m.id) || !r.relays(m.id) || until.IsZero() && len(r.berths.all()) >= maxRelays {
			continue
		}
		if time.Until(until) > time.Hour/2 {
			continue
		}
		changed = r.reserveAt(m.id) || changed
	}
	if changed {
		notify(r.mesh)
	}
}

// reserveAt reports whether there is one relay more.
func (r *Replica) reserveAt(id peer.ID) bool {
	ctx, cancel := context.WithTimeout(network.WithNoDial(r.ctx, "dmfs"), reserveWithin)
	defer cancel()
	got, err := circuit.Reserve(ctx, r.host, peer.AddrInfo{ID: id})
	if err != nil {
		r.log.Debug("no reservation at a relay", "peer", id, "err", err)
		return false
	}
	r.log.Debug("reserved at a relay", "peer", id)
	return r.berths.set(id, got.Expiration)
}

// relays reports whether a peer says that it is a relay.
func (r *Replica) relays(id peer.ID) bool {
	some, err := r.host.Peerstore().SupportsProtocols(id, hop.ProtoIDv2Hop)
	return err == nil && len(some) > 0
}

// isDirect reports whether there is a connection to a peer that needs no relay.
func (r *Replica) isDirect(id peer.ID) bool {
	return slices.ContainsFunc(r.host.Network().ConnsToPeer(id), func(c network.Conn) bool { return !isRelayed(c.RemoteMultiaddr()) })
}

// circuits returns where we are reached through relays: where each of them is, by its own word, or where we
// have reached it.
func (r *Replica) circuits() (all []ma.Multiaddr) {
	for _, id := range r.berths.all() {
		via := ma.StringCast("/p2p/" + id.String() + "/p2p-circuit")
		var at []ma.Multiaddr
		for _, c := range r.host.Network().ConnsToPeer(id) {
			if c.Stat().Direction == network.DirOutbound {
				at = append(at, c.RemoteMultiaddr())
			}
		}
		if c, ok := r.book.get(id); ok {
			at = append(at, c.addrs...)
		}
		at = slices.DeleteFunc(ma.Unique(at), isRelayed)
		// Others are rather where the relay is public than where this node is.
		slices.SortStableFunc(at, func(a, b ma.Multiaddr) int { return rank(a) - rank(b) })
		for _, a := range at[:min(len(at), maxRelayAddrs)] {
			all = append(all, a.Encapsulate(via))
		}
	}
	return all
}

// rank puts addresses that more nodes can use first.
func rank(a ma.Multiaddr) int {
	switch {
	case manet.IsIPLoopback(a):
		return 2
	case manet.IsPrivateAddr(a):
		return 1
	}
	return 0
}
