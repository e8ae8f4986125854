package replica

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// The bounds of what one peer or member can have a node do.
const (
	SignedBurst, SignedRate = signedBurst, signedRate
	GossipBurst             = gossipBurst

	OpenEffort, JudgeEffort, NameEffort, GiveEffort = openEffort, judgeEffort, nameEffort, giveEffort
)

// Kept returns how many things are remembered because of a peer, and how many there may be.
func (r *Replica) Kept(id peer.ID) (count, most int) {
	m := r.members.get(id)
	if m == nil {
		return 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.refused) + len(m.heard) + len(m.addrs) + len(m.bodies), maxRefused + maxHeard + 1 + maxAddrs + bodiesSize
}

// StreamsOf returns how many streams of a peer are being served.
func (r *Replica) StreamsOf(id peer.ID) (n int) {
	for _, c := range r.host.Network().ConnsToPeer(id) {
		for _, s := range c.GetStreams() {
			if p := s.Protocol(); s.Stat().Direction == network.DirInbound && (p == r.names.sync || p == r.names.fetch) {
				n++
			}
		}
	}
	return n
}

// MoveOften has every peer say only so often at once where it is reached, and once in five seconds.
func (r *Replica) MoveOften(burst int) {
	r.moves.mu.Lock()
	defer r.moves.mu.Unlock()
	r.moves.burst, r.moves.rate = float64(burst), 0.2
}

// ListenSlowly has the allowance for gossip hardly grow, so that no machine is too slow to use it up.
func (r *Replica) ListenSlowly() {
	r.gossiped.mu.Lock()
	defer r.gossiped.mu.Unlock()
	r.gossiped.rate = 1
}

// SetEffort changes what each peer may have us do: so much at once beyond all that we hold, and so much a second.
func (r *Replica) SetEffort(burst, rate float64) {
	r.efforts.mu.Lock()
	defer r.efforts.mu.Unlock()
	r.efforts.burst, r.efforts.rate = burst, rate
}
