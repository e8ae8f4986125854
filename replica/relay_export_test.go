package replica

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	hop "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
)

// AddrsOf returns where a peer says that it is reached.
func (r *Replica) AddrsOf(id string) (addrs []string) {
	for _, c := range r.book.all() {
		for _, a := range c.addrs {
			if c.id.String() == id {
				addrs = append(addrs, a.String())
			}
		}
	}
	return addrs
}

// IsRelay reports whether a node offers to be a relay.
func IsRelay(r *Replica) bool { return slices.Contains(r.host.Mux().Protocols(), hop.ProtoIDv2Hop) }

// UsesRelays reports whether a node can be reached through one.
func UsesRelays(r *Replica) bool { return slices.Contains(r.host.Mux().Protocols(), hop.ProtoIDv2Stop) }

// MayRelay returns whether a member may reserve, or with a second one, may be connected to that.
func MayRelay(r *Replica) func(from, to peer.ID) bool {
	m := members{r.admission}
	return func(from, to peer.ID) bool {
		if to == "" {
			return m.AllowReserve(from, nil)
		}
		return m.AllowConnect(from, nil, to)
	}
}

// Relayed counts the connections through relays.
func Relayed(r *Replica) (n int) {
	for _, c := range r.host.Network().Conns() {
		if isRelayed(c.RemoteMultiaddr()) {
			n++
		}
	}
	return n
}
