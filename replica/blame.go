package replica

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Of how often a peer comes and goes the log says that much, lest it fill the disk.
const (
	comingsBurst = 32      // of one peer at once
	comingsRate  = 1. / 60 // and per second
)

// blame remembers what a peer, or a member that need not be connected, does wrong, and says so: once an hour
// of each and each fault, whatever it costs the peer to do it again.
func (r *Replica) blame(id peer.ID, f fault, err error) {
	if id == r.host.ID() {
		return // our own namespace, by the word of others
	}
	seen, first, last := r.blamed.tell(id, f.kind, time.Now())
	if !first || r.ctx.Err() != nil {
		return
	}
	level, message, name := slog.LevelWarn, "peer misbehaves", r.nameOf(id)
	if f.honest {
		level, message = slog.LevelInfo, "peer may misbehave"
	}
	r.log.Log(context.Background(), level, message, "peer", id, "name", name, "fault", f.what, "err", err)
	if last {
		r.log.Log(context.Background(), level, "no more of these for a while", "fault", f.what, "for", toldFor)
	}
	r.tellFault(id.String(), name, f.noticed(seen))
}

// note says in the log that a peer came or went, or did not come.
func (r *Replica) note(id peer.ID, what string, args ...any) {
	if r.noted.spend(id, 1, time.Now()) > 0 {
		r.blame(id, faultComing, nil)
		return
	}
	r.log.Info(what, append([]any{"peer", id}, args...)...)
}

// nameOf returns the name in a member's certificate, empty when none is known.
func (r *Replica) nameOf(id peer.ID) string {
	if name := r.admission.known(id).Name; name != "" {
		return name
	}
	key, _ := keyOf(id)
	chain, ok := r.ix.Certificate(key)
	if !ok {
		return ""
	}
	m, err := r.ix.Policy().VerifyMember(chain, time.Now())
	if err != nil {
		return ""
	}
	return m.Name
}

// blameFor blames a peer with which an exchange failed, if the error is one to blame it for.
func (r *Replica) blameFor(id peer.ID, err error) {
	switch {
	case errors.Is(err, errNoTurn): // it is we who ask for much
	case errors.Is(err, wire.ErrMalformed):
		r.blame(id, faultMalformed, err)
	case errors.Is(err, trust.ErrMismatch):
		r.blame(id, faultContent, err)
	case errors.Is(err, errEcho):
		r.blame(id, faultEcho, nil)
	case errors.Is(err, errTooSlow), late(err):
		r.blame(id, faultSlow, err)
	}
}

// blameForger blames a peer for a head that was refused, unless an honest one may have sent it.
func (r *Replica) blameForger(id peer.ID, err error) {
	var why *trust.Refusal
	if !innocent(err) && (errors.As(err, &why) || errors.Is(err, wire.ErrMalformed)) {
		r.blame(id, faultForged, err)
	}
}

// blameClock blames the member in whose namespace a version is that is ahead of the clock, unless that is for our
// own clock. By now its certificate is known, and so its name.
func (r *Replica) blameClock(n trust.Name, v trust.Version) {
	policy := r.ix.Policy()
	_, key, ok := policy.Namespace(n)
	if !ok || !v.Time().After(r.now().Add(policy.ClockSkew())) {
		return
	}
	if _, behind := r.ix.ClockBehind(); !behind {
		r.blame(peerOf(key), faultClock, nil)
	}
}

// blameFuture does so for a version that was put off with err until its time. Who sends it is its signer: others
// put it off, too.
func (r *Replica) blameFuture(h wire.Head, err error) {
	name, unnamed := trust.ParseName(h.Name)
	if unnamed != nil || !errors.Is(err, trust.ErrFuture) {
		return
	}
	_, err = r.ix.Policy().Examine(name, h.Signature, r.now()) // it may be a certificate that is not valid yet
	if errors.Is(err, trust.ErrFuture) {
		r.blameClock(name, trust.Version(h.Version))
	}
}

// blameOwner blames the member in whose namespace a record is that found no room; who brought it need
// not know.
func (r *Replica) blameOwner(n trust.Name, err error) {
	if !errors.Is(err, index.ErrQuota) {
		return
	}
	if _, key, ok := r.ix.Policy().Namespace(n); ok {
		r.blame(peerOf(key), faultQuota, err)
	}
}
