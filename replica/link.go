package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	msmux "github.com/multiformats/go-multistream"
)

const (
	pingSize  = 8               // bytes
	pingsKept = 5 * time.Minute // is a stream on which nobody pings
)

var errOtherPing = errors.New("wrong answer to a ping")

// link is a connection with the stream on which we ping it, which is opened when it is needed.
type link struct {
	conn   network.Conn
	stream network.Stream
}

// ping returns the round trip. A peer that does not speak the protocol and says so is alive.
func (l *link) ping(ctx context.Context, id protocol.ID, timeout time.Duration) (rtt time.Duration, err error) {
	deadline := time.Now().Add(timeout)
	if l.stream != nil {
		if rtt, err = l.roundTrip(deadline); err == nil || late(err) {
			return rtt, err
		}
	}
	begun := time.Now()
	err = l.dial(ctx, id, deadline)
	if errors.Is(err, msmux.ErrNotSupported[protocol.ID]{}) {
		return time.Since(begun), nil
	}
	if err != nil {
		return 0, err
	}
	return l.roundTrip(deadline)
}

// dial opens the stream on this very connection; the host would take any.
func (l *link) dial(ctx context.Context, id protocol.ID, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	s, err := l.conn.NewStream(ctx)
	if err != nil {
		return err
	}
	l.stream = s
	err = errors.Join(s.SetDeadline(deadline), s.SetProtocol(id))
	if err == nil {
		err = msmux.SelectProtoOrFail(id, s)
	}
	if err != nil {
		l.hangUp()
	}
	return err
}

// roundTrip pings once. Without an answer the stream is given up, as the answer may still come.
func (l *link) roundTrip(deadline time.Time) (rtt time.Duration, err error) {
	defer func() {
		if err != nil {
			l.hangUp()
		}
	}()
	if err := l.stream.SetDeadline(deadline); err != nil {
		return 0, err
	}
	var out, in [pingSize]byte
	rand.Read(out[:]) // never fails
	begun := time.Now()
	if _, err := l.stream.Write(out[:]); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(l.stream, in[:]); err != nil {
		return 0, err
	}
	if in != out {
		return 0, errOtherPing
	}
	return time.Since(begun), nil
}

func (l *link) hangUp() {
	if l.stream != nil {
		l.stream.Reset()
		l.stream = nil
	}
}
