package replica

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// A ping shows both ends that the connection is alive, so that only one of them needs to: who waits
// longer, by chance, has nothing to do.
const (
	silentFor   = 8 * time.Second // is a connection before it is pinged, and
	silentMore  = 2 * time.Second // up to that much longer
	pingTimeout = 2 * time.Second
)

// watch pings the connections to a member, new ones and those on which nothing was heard for a while, and
// closes those that are dead: QUIC and TCP take half a minute to notice. An old connection beside a new one
// is often dead.
func (r *Replica) watch(session context.Context, m *member) {
	var links []*link
	defer func() { relink(links, nil) }()
	for {
		links = relink(links, r.host.Network().ConnsToPeer(m.id))
		probed := false
		select {
		case <-session.Done():
			return
		case <-m.probe:
			probed = true
		case <-time.After(m.silentIn(links)):
		}
		links = relink(links, r.host.Network().ConnsToPeer(m.id))
		r.examineAll(session, m, links, probed)
		r.dropSpares(session, m, links)
	}
}

// silentIn returns how long it is until a connection has been silent for too long.
func (m *member) silentIn(links []*link) time.Duration {
	next := silentFor
	for _, l := range links {
		next = min(next, silentFor-time.Since(m.heardAt(l.conn.ID())))
	}
	return next + rand.N(silentMore)
}

// examineAll examines those that are silent or, after a probe, all. It is patient with the newest
// connection only: what an older one is good for, that one does too.
func (r *Replica) examineAll(session context.Context, m *member, links []*link, probed bool) {
	if len(links) == 0 {
		return
	}
	newest := slices.MaxFunc(links, func(a, b *link) int { return a.conn.Stat().Opened.Compare(b.conn.Stat().Opened) })
	var group sync.WaitGroup
	for _, l := range links {
		if !probed && time.Since(m.heardAt(l.conn.ID())) < silentFor {
			continue
		}
		tries, timeout := 1, pingTimeout/2
		if l == newest {
			tries, timeout = 2, pingTimeout
		}
		group.Go(func() { r.examine(session, m, l, tries, timeout) })
	}
	group.Wait()
}

// examine closes a connection that does not answer and on which nothing else was heard meanwhile.
func (r *Replica) examine(session context.Context, m *member, l *link, tries int, timeout time.Duration) {
	begun := time.Now()
	for range tries {
		rtt, err := l.ping(session, r.names.ping, timeout)
		if err == nil {
			m.measured(l.conn.ID(), rtt)
			return
		}
	}
	if session.Err() != nil || l.conn.IsClosed() || m.heardAt(l.conn.ID()).After(begun) {
		return
	}
	r.note(m.id, "closing a dead connection")
	l.conn.Close()
}

// relink returns the links of these connections, and hangs up on others.
func relink(links []*link, conns []network.Conn) (now []*link) {
	for _, c := range conns {
		i := slices.IndexFunc(links, func(l *link) bool { return l.conn == c })
		if i < 0 {
			now = append(now, &link{conn: c})
			continue
		}
		now = append(now, links[i])
		links = slices.Delete(links, i, i+1)
	}
	for _, l := range links {
		l.hangUp()
	}
	return now
}

// servePings sends back what comes.
func (r *Replica) servePings(x *exchange) error {
	for {
		if err := x.stream.SetDeadline(time.Now().Add(pingsKept)); err != nil {
			return err
		}
		var b [pingSize]byte
		if _, err := io.ReadFull(x.r, b[:]); err != nil {
			return err
		}
		x.heard()
		if _, err := x.stream.Write(b[:]); err != nil {
			return err
		}
	}
}
