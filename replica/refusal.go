package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

// tell logs why a peer and we do not talk. A peer that merely hung up, as one does whose other connection
// was faster, is not worth a line.
func (a *admission) tell(id peer.ID, from fmt.Stringer, err error) {
	message, level := "peer is not admitted", slog.LevelWarn
	reason := reasonOf(err).String()
	var verdict refusedBy
	switch {
	case errors.As(err, &verdict):
		message, reason = "this node is not admitted by a peer", verdict.Error()
	case errors.Is(err, errNoProof), errors.Is(err, errBusy):
		level, reason = slog.LevelInfo, "no proof"
	}
	first, last := false, false
	if a.ctx.Err() == nil && !hungUp(err) {
		_, first, last = a.told.tell(id, reason, time.Now())
	}
	if !first {
		level = slog.LevelDebug
	}
	attrs := []any{"peer", id, "addr", from, "err", err}
	var why *trust.Refusal
	if errors.As(err, &why) && why.Hint != "" {
		attrs = append(attrs, "hint", why.Hint)
	}
	a.log.Log(context.Background(), level, message, attrs...)
	if last {
		a.log.Warn("no more of these for a while", "reason", reason, "for", toldFor)
	}
}

// hungUp reports whether a handshake failed neither by what the peer said nor by its silence.
func hungUp(err error) bool {
	var late interface{ Timeout() bool }
	silent := errors.As(err, &late) && late.Timeout()
	return errors.Is(err, errNoProof) && !silent && !errors.Is(err, wire.ErrMalformed)
}
