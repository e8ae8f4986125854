package hostiletest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"
)

// door is the hostile side of the handshake of members, over QUIC: it shows what it was given and admits
// everybody.
type door struct{ shown []byte }

var errNotAdmitted = errors.New("not admitted")

// InterceptUpgraded implements connmgr.ConnectionGater.
func (d door) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	var q *quic.Conn
	return c.As(&q) && d.pass(q, c.Stat().Direction) == nil, 0
}

func (d door) pass(q *quic.Conn, dir network.Direction) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	first := q.OpenStreamSync
	if dir == network.DirInbound {
		first = q.AcceptStream
	}
	s, err := first(ctx)
	if err != nil {
		return err
	}
	defer s.CancelRead(0)
	defer s.Close()
	if err := s.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if dir == network.DirInbound {
		return d.admit(s)
	}
	return d.enter(s)
}

// enter is what the dialer says.
func (d door) enter(s io.ReadWriter) error {
	err := wire.Write(s, wire.Member{Chain: d.shown})
	if err != nil {
		return err
	}
	if v, err := hear(s); err != nil || v != (wire.Verdict{}) {
		return errors.Join(errNotAdmitted, err)
	}
	if _, err := hear(s); err != nil {
		return err
	}
	return wire.Write(s, wire.Verdict{})
}

// admit is what the listener says.
func (d door) admit(s io.ReadWriter) error {
	if _, err := hear(s); err != nil {
		return err
	}
	var b bytes.Buffer
	err := errors.Join(wire.Write(&b, wire.Verdict{}), wire.Write(&b, wire.Member{Chain: d.shown}))
	if err == nil {
		_, err = b.WriteTo(s)
	}
	if err == nil {
		_, err = hear(s)
	}
	return err
}

func hear(r io.Reader) (wire.Message, error) { return wire.Read(single{r}, wire.MaxMember) }

// single reads no further than it is asked to.
type single struct{ io.Reader }

// ReadByte makes it a wire.Reader.
func (s single) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(s, b[:])
	return b[0], err
}

// InterceptPeerDial and what follows let everything pass.
func (door) InterceptPeerDial(peer.ID) bool               { return true }
func (door) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }
func (door) InterceptAccept(network.ConnMultiaddrs) bool  { return true }
func (door) InterceptSecured(network.Direction, peer.ID, network.ConnMultiaddrs) bool {
	return true
}
