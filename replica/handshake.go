package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	errNoProof = errors.New("no membership was proved")
	errBusy    = errors.New("too many handshakes at once")
)

// refusedBy is the verdict of a peer that does not admit us.
type refusedBy struct{ reason wire.Reason }

func (e refusedBy) Error() string { return "refused by the peer: " + e.reason.String() }

// conversation is an encrypted connection between two proved keys on which nothing was said yet.
type conversation interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}

// shake has both sides prove that they are members, as package wire says. The dialer begins: a stranger
// that dials learns nothing of us but a reason. Who comes and goes waits, as its effort is used up.
func (a *admission) shake(ctx context.Context, c conversation, id peer.ID, dir network.Direction) error {
	if err := a.efforts.begin(ctx, id, meetEffort); err != nil {
		return noProof(err)
	}
	if err := c.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return noProof(err)
	}
	interrupted := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	var err error
	if dir == network.DirOutbound {
		err = a.introduce(c, id)
	} else {
		err = a.demand(c, id)
	}
	if !interrupted() {
		return noProof(context.Cause(ctx))
	}
	if err != nil {
		return err
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return noProof(err)
	}
	return nil
}

// introduce is the dialer's side.
func (a *admission) introduce(c conversation, id peer.ID) error {
	mine := a.certificate()
	if err := say(c, wire.Member{Chain: mine.DER()}); err != nil {
		return err
	}
	if err := hearVerdict(c); err != nil {
		return err
	}
	theirs, err := hear[wire.Member](c)
	if err != nil {
		return err
	}
	if err := a.judge(id, theirs.Chain); err != nil {
		dismiss(c, err)
		return err
	}
	a.show(id, mine)
	return say(c, wire.Verdict{})
}

// demand is the listener's side.
func (a *admission) demand(c conversation, id peer.ID) error {
	theirs, err := hear[wire.Member](c)
	if err != nil {
		return err
	}
	if err := a.judge(id, theirs.Chain); err != nil {
		dismiss(c, err)
		return err
	}
	mine := a.certificate()
	if err := say(c, wire.Verdict{}, wire.Member{Chain: mine.DER()}); err != nil {
		return err
	}
	a.show(id, mine)
	return hearVerdict(c)
}

func hearVerdict(c conversation) error {
	v, err := hear[wire.Verdict](c)
	if err == nil && v.Reason != wire.Admitted {
		err = refusedBy{v.Reason}
	}
	return err
}

// hear reads one message that must be an M, and not a byte more: what follows is not ours.
func hear[M wire.Message](c conversation) (M, error) {
	var want M
	m, err := wire.Read(exact{c}, wire.MaxMember)
	if err != nil {
		return want, noProof(err)
	}
	got, ok := m.(M)
	if !ok {
		return want, noProof(fmt.Errorf("%w: %T where %T must be", wire.ErrMalformed, m, want))
	}
	return got, nil
}

// say sends messages in one piece.
func say(c conversation, messages ...wire.Message) error {
	var b bytes.Buffer
	for _, m := range messages {
		if err := wire.Write(&b, m); err != nil {
			return err
		}
	}
	if _, err := b.WriteTo(c); err != nil {
		return noProof(err)
	}
	return nil
}

func noProof(err error) error { return fmt.Errorf("%w: %w", errNoProof, err) }

// dismiss tells the peer why, and waits until it has hung up: what closes the connection would overtake
// the reason.
func dismiss(c conversation, why error) {
	err := c.SetDeadline(time.Now().Add(farewellTimeout))
	if err == nil {
		err = say(c, wire.Verdict{Reason: reasonOf(why)})
	}
	if err == nil {
		_, _ = io.CopyN(io.Discard, c, wire.MaxMember) // whatever else it says
	}
}

// exact reads no further than it is asked to.
type exact struct{ io.Reader }

// ReadByte makes it a wire.Reader.
func (e exact) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(e, b[:])
	return b[0], err
}
