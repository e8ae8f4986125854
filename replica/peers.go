package replica

import (
	"cmp"
	"slices"
	"time"

	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Peer is what is known of another node.
type Peer struct {
	ID        string
	Addr      string    // where it is connected, else where it is dialled
	Agent     string    // what it calls itself, such as dmfs/1.0
	Name      string    // in its certificate; empty before it showed one
	NotAfter  time.Time // the end of its certificate
	Connected bool
	Since     time.Time // when it was connected or lost
	// InSync says that as of LastSync both nodes had the same, or this node had everything that it may
	// take from the peer. It is false while the peer lacks something.
	InSync   bool
	LastSync time.Time     // zero: never
	RTT      time.Duration // zero: not measured
}

// Peers returns the peers that are connected or dialled, sorted by ID.
func (r *Replica) Peers() []Peer {
	var peers []Peer
	for _, m := range r.members.all() {
		p, proof := m.peer(), r.admission.known(m.id)
		if c, ok := r.book.get(m.id); ok && p.Addr == "" && len(c.addrs) > 0 {
			p.Addr = printable(c.addrs[0].String())
		}
		p.Name, p.NotAfter = proof.Name, proof.NotAfter
		if conns := r.host.Network().ConnsToPeer(m.id); p.Connected && len(conns) > 0 {
			p.Addr = conns[0].RemoteMultiaddr().String()
		}
		peers = append(peers, p)
	}
	slices.SortFunc(peers, func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	return peers
}

func (m *member) peer() Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := Peer{
		ID: m.id.String(), Agent: m.agent, Connected: m.session != nil, Since: m.since,
		InSync: m.inSync, LastSync: m.lastSync, RTT: m.rtt,
	}
	if len(m.dialed) > 0 {
		p.Addr = m.dialed[0].String()
	} else if len(m.addrs) > 0 {
		p.Addr = printable(m.addrs[0].String())
	}
	return p
}

// PeerID returns the libp2p peer id of a node's public key.
func PeerID(k trust.Key) string { return peerOf(k).String() }

func peerOf(k trust.Key) peer.ID {
	pub, err := crypto.UnmarshalEd25519PublicKey(k[:])
	if err != nil {
		return "" // not for 32 bytes
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		return ""
	}
	return id
}
