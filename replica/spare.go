package replica

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

// spareAfter is how old connections are before one is closed in favour of another: both sides have identified
// each other on all of them by then.
const spareAfter = 5 * time.Second

// dropSpares closes the connections to a member that another one makes superfluous, if that answers now. Two
// nodes that dial each other at once have two connections, or four, and each is pinged for as long as it is
// there. What is in use is left for the next time.
func (r *Replica) dropSpares(session context.Context, m *member, links []*link) {
	links = slices.DeleteFunc(slices.Clone(links), func(l *link) bool {
		return l.conn.IsClosed() || isRelayed(l.conn.RemoteMultiaddr()) || time.Since(l.conn.Stat().Opened) < spareAfter
	})
	if len(links) < 2 {
		return
	}
	best := slices.MaxFunc(links, func(a, b *link) int { return r.worth(a.conn) - r.worth(b.conn) })
	spare := slices.DeleteFunc(links, func(l *link) bool { return r.worth(l.conn) == r.worth(best.conn) || r.isUsed(l.conn) })
	if len(spare) == 0 {
		return
	}
	if _, err := best.ping(session, r.names.ping, pingTimeout); err != nil {
		return
	}
	for _, l := range spare {
		r.log.Debug("closing a connection beside another", "peer", m.id)
		l.conn.Close()
	}
	notify(m.pull) // what was gossiped meanwhile may be lost
}

// worth says which of two connections is kept, the same on both sides: one over QUIC, and then the one that the
// node with the greater id has dialled. Where a hole was punched both sides have dialled, for libp2p; still no
// two sides close both of two connections: the one with the smaller id closes that of a hole only for one
// that the other side would keep, too.
func (r *Replica) worth(c network.Conn) (points int) {
	if _, err := c.RemoteMultiaddr().ValueForProtocol(ma.P_QUIC_V1); err == nil {
		points += 2
	}
	if (c.Stat().Direction == network.DirOutbound) == (r.host.ID() > c.RemotePeer()) {
		points++
	}
	return points
}

// isUsed reports whether something is under way on a connection that would have to begin again.
func (r *Replica) isUsed(c network.Conn) bool {
	work := []protocol.ID{r.names.sync, r.names.fetch, r.names.contacts, r.names.member}
	return slices.ContainsFunc(c.GetStreams(), func(s network.Stream) bool { return slices.Contains(work, s.Protocol()) })
}
