package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	mrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	msmux "github.com/multiformats/go-multistream"
)

const (
	pingEvery   = 5 * time.Second // mean
	pingTimeout = 2 * time.Second
)

// watch pings every connection to a member, now and then and when there is a new one, and closes those that
// are dead: QUIC and TCP take half a minute to notice. An old connection beside a new one is often dead.
func (r *Replica) watch(session context.Context, m *member) {
	for {
		select {
		case <-session.Done():
			return
		case <-m.probe:
		case <-time.After(pingEvery/2 + mrand.N(pingEvery)):
		}
		r.examineAll(session, m)
	}
}

// examineAll is patient with the newest connection only: what an older one is good for, that one does too.
func (r *Replica) examineAll(session context.Context, m *member) {
	conns := r.host.Network().ConnsToPeer(m.id)
	if len(conns) == 0 {
		return
	}
	newest := slices.MaxFunc(conns, func(a, b network.Conn) int { return a.Stat().Opened.Compare(b.Stat().Opened) })
	var group sync.WaitGroup
	for _, c := range conns {
		tries, timeout := 1, pingTimeout/2
		if c == newest {
			tries, timeout = 2, pingTimeout
		}
		group.Go(func() { r.examine(session, m, c, tries, timeout) })
	}
	group.Wait()
}

// examine closes a connection that does not answer and on which nothing else was heard meanwhile.
func (r *Replica) examine(session context.Context, m *member, c network.Conn, tries int, timeout time.Duration) {
	begun := time.Now()
	for range tries {
		rtt, err := pingOn(session, c, timeout)
		if err == nil {
			m.measured(rtt)
			return
		}
	}
	if session.Err() != nil || c.IsClosed() || m.heardSince(c.ID(), begun) {
		return
	}
	r.log.Info("closing a dead connection", "peer", m.id)
	c.Close()
}

// pingOn pings over this very connection; the host's own ping takes any.
func pingOn(ctx context.Context, c network.Conn, timeout time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := c.NewStream(ctx)
	if err != nil {
		return 0, err
	}
	defer s.Reset()
	deadline, _ := ctx.Deadline()
	if err := errors.Join(s.SetDeadline(deadline), s.SetProtocol(ping.ID), msmux.SelectProtoOrFail(ping.ID, s)); err != nil {
		return 0, err
	}
	return roundTrip(s)
}

func roundTrip(s network.Stream) (time.Duration, error) {
	var out, in [ping.PingSize]byte
	rand.Read(out[:]) // never fails
	begun := time.Now()
	if _, err := s.Write(out[:]); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(s, in[:]); err != nil {
		return 0, err
	}
	if in != out {
		return 0, errors.New("wrong answer to a ping")
	}
	return time.Since(begun), nil
}
