package replica

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxAbsent     = 128 // absent peers that nobody configured and that we still dial
	firstRedial   = 250 * time.Millisecond
	soonestRedial = 2 * time.Second // the back-off's cap for a few absent peers
	latestRedial  = 15 * time.Second
	quickDial     = 3 * time.Second  // every other dial takes no longer, so that a peer that comes back is met soon
	patientDial   = 15 * time.Second // the others, for who is distant or busy; of who is silent libp2p despairs after 5 s
)

// supervise starts to watch connections.
func (r *Replica) supervise() error {
	sub, err := r.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerIdentificationFailed),
		new(event.EvtPeerProtocolsUpdated),
		new(event.EvtPeerConnectednessChanged),
		new(event.EvtLocalAddressesUpdated),
	}, eventbus.Name("dmfs"), eventbus.BufSize(256))
	if err != nil {
		return fmt.Errorf("connection events: %w", err)
	}
	r.spawn(func() { r.watchConnections(sub) })
	return nil
}

// dialConfigured dials the configured peers, once we listen: QUIC dials from there then, which is what a hole
// in NAT is punched for.
func (r *Replica) dialConfigured(bootstrap []peer.AddrInfo) {
	for _, info := range bootstrap {
		if info.ID == r.host.ID() {
			continue
		}
		m, _ := r.members.add(info.ID, info.Addrs)
		r.host.ConnManager().Protect(info.ID, "bootstrap")
		r.spawn(func() { r.live(m) })
	}
}

func (r *Replica) watchConnections(sub event.Subscription) {
	defer sub.Close()
	for {
		select {
		case <-r.ctx.Done():
			return
		case ev := <-sub.Out():
			r.connectionEvent(ev)
		}
	}
}

func (r *Replica) connectionEvent(ev any) {
	switch ev := ev.(type) {
	case event.EvtPeerIdentificationCompleted:
		r.identified(ev)
		if slices.Contains(ev.Protocols, r.names.sync) {
			r.arrived(ev.Peer, ev.ListenAddrs, ev.AgentVersion)
		}
	case event.EvtPeerIdentificationFailed:
		r.unidentified(ev.Peer)
	case event.EvtPeerProtocolsUpdated:
		if slices.Contains(ev.Added, r.names.sync) {
			r.arrived(ev.Peer, r.host.Peerstore().Addrs(ev.Peer), r.agentOf(ev.Peer))
		}
	case event.EvtLocalAddressesUpdated:
		notify(r.mesh)
	case event.EvtPeerConnectednessChanged:
		if ev.Connectedness == network.NotConnected {
			r.departed(ev.Peer)
		}
	}
}

// unidentified closes a connection on which identify got no answer. It asks once only, and as long as there is
// a connection, nobody dials.
func (r *Replica) unidentified(id peer.ID) {
	if m := r.members.get(id); m != nil && m.current() != nil {
		return // on another connection it did; those that are dead are found by pings
	}
	r.log.Debug("peer did not say who it is", "peer", id)
	if err := r.host.Network().ClosePeer(id); err != nil {
		r.log.Debug("closing a connection failed", "peer", id, "err", err)
	}
}

// agentOf returns what identify has stored.
func (r *Replica) agentOf(id peer.ID) string {
	agent, _ := r.host.Peerstore().Get(id, "AgentVersion")
	text, _ := agent.(string)
	return text
}

// arrived: there is a connection to a peer that speaks our protocols, perhaps one more.
func (r *Replica) arrived(id peer.ID, addrs []ma.Multiaddr, agent string) {
	if r.host.Network().Connectedness(id) != network.Connected {
		return // gone before we heard of it
	}
	if r.admission.still(id) != nil {
		notify(r.review) // the policy changed during the handshake
		return
	}
	m, fresh := r.members.add(id, nil)
	m.describe(addrs, agent)
	if m.begin() {
		r.note(id, "peer connected")
		r.met(id.String(), r.nameOf(id), true)
		m.failed.Store(0)
		r.book.meet(id, r.now())
		r.redialAll()
	}
	notify(m.pull)
	notify(m.probe)
	notify(r.moor)
	if fresh {
		r.spawn(func() { r.live(m) })
	}
}

// redialAll dials every absent peer now: what brought one back may have brought others. It does so once a
// second at most, lest a peer that comes and goes keep us busy.
func (r *Replica) redialAll() {
	now := time.Now()
	if now.Sub(r.redialed) < time.Second {
		return
	}
	r.redialed = now
	for _, m := range r.members.connected(false) {
		notify(m.retry)
	}
}

// departed: the last connection to a peer has ended. Who is a member no more, and nobody configured, is not
// dialled: it comes by itself when it is one again.
func (r *Replica) departed(id peer.ID) {
	m := r.members.get(id)
	if m == nil || r.host.Network().Connectedness(id) == network.Connected || !m.finish() {
		return
	}
	r.note(id, "peer lost")
	if r.ctx.Err() == nil {
		r.met(id.String(), r.nameOf(id), false)
	}
	r.book.meet(id, r.now())
	r.seen.forget(id)
	r.berths.set(id, time.Time{})
	notify(r.mesh)
	notify(r.moor)
	if m.dialed == nil && (r.admission.still(id) != nil || len(r.members.connected(false)) > maxAbsent) {
		r.members.remove(m)
	}
}

// live tends a member while it is connected and dials it while it is not.
func (r *Replica) live(m *member) {
	for m.ctx.Err() == nil {
		if session := m.current(); session != nil {
			r.tend(session, m)
		} else {
			r.reach(m)
		}
	}
}

// reach dials until a session begins, but not at once who comes and goes.
func (r *Replica) reach(m *member) {
	for attempt := 0; r.efforts.await(m.ctx, m.id) == nil && m.current() == nil; attempt++ {
		r.dial(m, attempt)
		if m.failed.Store(int32(attempt)); attempt == maxFailed {
			notify(r.mesh)
		}
		select {
		case <-m.ctx.Done():
		case <-m.began:
		case <-m.retry:
		case <-time.After(r.redialPause(attempt)):
		}
	}
}

func (r *Replica) dial(m *member, attempt int) {
	timeout := quickDial
	if attempt%2 == 1 {
		timeout = patientDial
	}
	ctx, cancel := context.WithTimeout(m.ctx, timeout)
	defer cancel()
	ctx, leave := r.stay.within(ctx)
	defer leave()
	r.clearBackoff(m.id)
	if err := r.host.Connect(ctx, peer.AddrInfo{ID: m.id, Addrs: r.addressesOf(m)}); err != nil && attempt == 0 && m.ctx.Err() == nil {
		r.note(m.id, "peer not reached, trying on", "err", err)
	}
}

// clearBackoff has libp2p dial a peer although it failed to just now.
func (r *Replica) clearBackoff(id peer.ID) {
	if sw, ok := r.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		sw.Backoff().Clear(id)
	}
}

// addressesOf returns where to dial a member: as configured, as it said when it was here, and as it has had
// told since.
func (r *Replica) addressesOf(m *member) []ma.Multiaddr {
	c, _ := r.book.get(m.id)
	return append(m.addresses(), c.addrs...)
}

// redialPause grows with the attempts, and its cap with the number of absent peers: a few are dialled every
// two seconds, so that they are met soon after they are back, and many together cost no more than that.
func (r *Replica) redialPause(attempt int) time.Duration {
	absent := len(r.members.connected(false))
	longest := min(max(time.Duration(absent)*time.Second/4, soonestRedial), latestRedial)
	pause := min(firstRedial<<min(attempt, 10), longest)
	return pause/2 + rand.N(pause/2)
}
