package replica

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"
)

// options makes a host admit members only, if there is a network.
func (a *admission) options() []libp2p.Option {
	if a == nil {
		return []libp2p.Option{libp2p.Security(noise.ID, noise.New)}
	}
	return []libp2p.Option{
		libp2p.Security(string(a.security), a.newNoise),
		libp2p.ConnectionGater(gater{a}),
	}
}

// enter lets one more handshake begin that somebody else asked for, or fails when there are too many.
func (a *admission) enter(from net.Addr) (leave func(), err error) {
	key := originOf(from)
	if !a.shaking.enter(key) {
		return nil, errBusy
	}
	return func() { a.shaking.leave(key) }, nil
}

// originOf names who is behind an address as far as an address can tell: one host of IPv4, one
// customer's network of IPv6, or the relay.
func originOf(from net.Addr) string {
	if via, ok := from.(*client.NetAddr); ok {
		return via.Relay
	}
	at, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return ""
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 56
	if ip.Is4() {
		bits = 32
	}
	origin, _ := ip.Prefix(bits)
	return origin.String()
}

// memberNoise is Noise for TCP, and then the handshake of members under it. A stranger does not even
// know its name.
type memberNoise struct {
	*noise.Transport
	admission *admission
}

func (a *admission) newNoise(id protocol.ID, key crypto.PrivKey, muxers []tptu.StreamMuxer) (*memberNoise, error) {
	t, err := noise.New(id, key, muxers)
	return &memberNoise{t, a}, err
}

// SecureInbound implements sec.SecureTransport.
func (t *memberNoise) SecureInbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	leave, err := t.admission.enter(insecure.RemoteAddr())
	if err != nil {
		return nil, err
	}
	defer leave()
	c, err := t.Transport.SecureInbound(ctx, insecure, p)
	if err != nil {
		return nil, err
	}
	return t.admit(ctx, c, network.DirInbound)
}

// SecureOutbound implements sec.SecureTransport.
func (t *memberNoise) SecureOutbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	c, err := t.Transport.SecureOutbound(ctx, insecure, p)
	if err != nil {
		return nil, err
	}
	return t.admit(ctx, c, network.DirOutbound)
}

func (t *memberNoise) admit(ctx context.Context, c sec.SecureConn, dir network.Direction) (sec.SecureConn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.admission.ctx, cancel)()
	err := t.admission.shake(ctx, c, c.RemotePeer(), dir)
	if err != nil {
		t.admission.tell(c.RemotePeer(), c.RemoteAddr(), err)
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// gater has QUIC connections pass the handshake of members before the host learns of them: nothing that
// a stranger sends is read. Dials wait for it too, so one that succeeds is admitted.
type gater struct{ *admission }

// InterceptUpgraded is the one place where a connection of either kind is let in.
func (g gater) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	var q *quic.Conn
	if !c.As(&q) {
		s := c.ConnState() // a dialled relayed connection does not say that our security is the only one here
		return s.Security == g.security || s.Security == "" && isRelayed(c.RemoteMultiaddr()), 0
	}
	err := g.shakeQUIC(q, c.RemotePeer(), roleIn(q, c.Stat().Direction))
	if err != nil {
		g.tell(c.RemotePeer(), q.RemoteAddr(), err)
	}
	return err == nil, 0
}

// roleIn returns who began a QUIC connection. After a hole was punched both sides have dialled, for libp2p,
// but only the one that was connected to has made a scope for it.
func roleIn(q *quic.Conn, dir network.Direction) network.Direction {
	if _, err := network.UnwrapConnManagementScope(q.Context()); err == nil {
		return network.DirInbound
	}
	return dir
}

func (a *admission) shakeQUIC(q *quic.Conn, id peer.ID, dir network.Direction) error {
	ctx, cancel := context.WithTimeout(a.ctx, handshakeTimeout)
	defer cancel()
	first := q.OpenStreamSync
	if dir == network.DirInbound {
		first = q.AcceptStream
		leave, err := a.enter(q.RemoteAddr())
		if err != nil {
			return err
		}
		defer leave()
	}
	s, err := first(ctx)
	if err != nil {
		return noProof(err)
	}
	defer s.CancelRead(0) // nothing is left but the ends of both directions
	defer s.Close()
	return a.shake(ctx, s, id, dir)
}

// InterceptPeerDial and what follows let everything pass: who somebody is shows later.
func (gater) InterceptPeerDial(peer.ID) bool               { return true }
func (gater) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }
func (gater) InterceptAccept(network.ConnMultiaddrs) bool  { return true }
func (gater) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool {
	return true
}
