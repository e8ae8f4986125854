package replica

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// maxAway bounds the peers that are told of though nobody dials them.
const maxAway = 300

// Peer is what is known of another node.
type Peer struct {
	ID        string
	Addr      string    // where it is connected, else where it is dialled; empty: not known
	Agent     string    // what it calls itself, such as dmfs/1.0
	Name      string    // in its certificate; empty before it showed one
	NotAfter  time.Time // the end of its certificate
	Connected bool
	Relay     string    // the ID of the one through which alone it is connected; empty: it is connected directly
	Since     time.Time // when it was connected or lost; zero: not known
	// InSync says that as of LastSync both nodes had the same, or this node had everything that it may
	// take from the peer. It is false while the peer lacks something.
	InSync   bool
	LastSync time.Time     // zero: never
	RTT      time.Duration // zero: not measured
	// Seq: the peer has everything that the index held when this was its newest change, and so lacks at most
	// the entries with a greater one. It is what the peer said last of itself, to us or to others, and stays
	// while it has something that we have not. 0: nothing, or not known.
	Seq   uint64
	SeqAt time.Time // since when, by our clock, as far as we know; zero with a Seq of 0
	Seen  time.Time // the last sign of life, to us or to others; zero: none
	// Faults are what it did wrong in the last day, what no honest peer does first.
	Faults []Fault
}

// Peers returns the peers that are connected or dialled, up to 300 others, which are those that were met lately
// and then the members whose certificates the index has, and whoever has a fault. They are sorted by ID.
func (r *Replica) Peers() []Peer {
	known := make(map[peer.ID]Peer)
	for _, m := range r.members.all() {
		known[m.id] = r.dialled(m)
	}
	room := len(known) + maxAway
	enter := func(id peer.ID, more func(*Peer)) {
		p, ok := known[id]
		if ok || len(known) < room && id != r.host.ID() {
			more(&p)
			known[id] = p
		}
	}
	for _, c := range r.contacts() {
		enter(c.id, func(p *Peer) { c.describe(p, r.now()) })
	}
	for _, m := range r.ix.Members() {
		if id, err := idOfKey(m.Key); err == nil {
			enter(id, func(p *Peer) { p.ID, p.Name, p.NotAfter = id.String(), m.Name, later(p.NotAfter, m.NotAfter) })
		}
	}
	for id, faults := range r.faults() {
		p := known[id]
		p.ID, p.Name, p.Faults = id.String(), cmp.Or(p.Name, r.nameOf(id)), faults
		known[id] = p
	}
	return slices.SortedFunc(maps.Values(known), func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
}

// contacts returns all contacts, those that we met last first, with what is known by now of what they hold.
func (r *Replica) contacts() []contact {
	all := r.book.all()
	for i := range all {
		all[i].holds = all[i].holds.resolved(r.summaries.when)
	}
	return all
}

// dialled returns what we know of a peer by having, or wanting, a connection to it.
func (r *Replica) dialled(m *member) Peer {
	p, proof := m.peer(), r.admission.known(m.id)
	p.Name, p.NotAfter = proof.Name, proof.NotAfter
	if conns := r.host.Network().ConnsToPeer(m.id); p.Connected && len(conns) > 0 {
		best := conns[0].RemoteMultiaddr()
		for _, c := range conns[1:] {
			if isRelayed(best) {
				best = c.RemoteMultiaddr()
			}
		}
		p.Addr, p.Relay = best.String(), relayOf(best).String()
	}
	return p
}

func (m *member) peer() Peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := Peer{
		ID: m.id.String(), Agent: m.agent, Connected: m.session != nil, Since: m.since, Seen: m.seen,
		InSync: m.inSync, LastSync: m.lastSync, RTT: m.rtt,
	}
	if len(m.dialed) > 0 {
		p.Addr = m.dialed[0].String()
	} else if len(m.addrs) > 0 {
		p.Addr = printable(m.addrs[0].String())
	}
	return p
}

// describe adds what a peer has signed of itself, and what others and an earlier run of ours have of it.
func (c contact) describe(p *Peer, now time.Time) {
	if p.ID == "" {
		p.ID, p.Since = c.id.String(), c.met
	}
	if p.Addr == "" && len(c.addrs) > 0 {
		p.Addr = printable(c.addrs[0].String())
	}
	p.Agent = cmp.Or(p.Agent, c.holds.said.Agent)
	p.Name = cmp.Or(p.Name, c.proof.member.Name)
	p.NotAfter = later(p.NotAfter, c.proof.member.NotAfter)
	p.Seq, p.SeqAt = c.holds.seq, c.holds.since
	p.Seen = later(p.Seen, later(c.met, c.holds.seen(now)))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// PeerID returns the libp2p peer id of a node's public key.
func PeerID(k trust.Key) string { return peerOf(k).String() }

// peerOf is idOfKey for a key that cannot fail, as all of 32 bytes can be named.
func peerOf(k trust.Key) peer.ID {
	id, err := idOfKey(k)
	if err != nil {
		return ""
	}
	return id
}

func idOfKey(k trust.Key) (peer.ID, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(k[:])
	if err != nil {
		return "", err
	}
	return peer.IDFromPublicKey(pub)
}
