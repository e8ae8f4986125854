package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxTold = 64        // peers of which the log says that they were refused for one reason
	toldFor = time.Hour // within this time, and of each of them once
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
		first, last = a.told.tell(id, reason, time.Now())
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

// told remembers what was logged lately: which peers, by the reason. Strangers can make any number of
// keys, but have only the reasons of strangers.
type told struct {
	mu    sync.Mutex
	since time.Time
	peers map[string]map[peer.ID]bool
}

// tell reports whether a refusal is to be logged, and whether it is the last one of its kind for a while.
func (t *told) tell(id peer.ID, reason string, now time.Time) (first, last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) > toldFor {
		t.peers, t.since = make(map[string]map[peer.ID]bool), now
	}
	peers := t.peers[reason]
	if peers == nil {
		peers = make(map[peer.ID]bool)
		t.peers[reason] = peers
	}
	if peers[id] || len(peers) == maxTold {
		return false, false
	}
	peers[id] = true
	return true, len(peers) == maxTold
}
