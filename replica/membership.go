package replica

import (
	"bytes"
	"errors"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// longestUnwatched bounds how long a clock that was set, or a machine that slept, can hide an end.
const longestUnwatched = time.Minute

// Renewed tells the replica that Config.Certificate returns another certificate than before. Connected
// peers are shown it without reconnecting.
func (r *Replica) Renewed() {
	notify(r.review)
	notify(r.mesh)
}

// PolicyChanged tells the replica that the index has another policy. Who is a member no more is
// disconnected, and what is admitted now is fetched from peers that have it.
func (r *Replica) PolicyChanged() {
	notify(r.review)
	notify(r.mesh)
}

// watchMembers reviews the members whenever that may make a difference: when it is told so, when
// somebody was admitted, and when the next certificate ends.
func (r *Replica) watchMembers() {
	policy := r.ix.Policy()
	var own ownState
	for {
		if p := r.ix.Policy(); p != policy {
			policy = p
			r.reconsider()
		}
		next := time.Now().Add(longestUnwatched)
		if r.admission != nil {
			next = earlier(next, r.sweep())
			next = earlier(next, r.reviewOwn(&own))
		}
		select {
		case <-r.ctx.Done():
			return
		case <-r.review:
		case <-time.After(time.Until(next)):
		}
	}
}

// earlier returns the earlier one of two moments; the second one may be zero, for never.
func earlier(a, b time.Time) time.Time {
	if !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sweep disconnects who is a member no more, and returns when the next certificate ends.
func (r *Replica) sweep() (next time.Time) {
	for _, id := range r.host.Network().Peers() {
		if err := r.admission.still(id); err != nil {
			r.expel(id, err)
		}
	}
	next = time.Now().Add(longestUnwatched)
	for _, id := range r.admission.onRoll(r.isConnected) {
		if r.admission.still(id) == nil {
			next = earlier(next, r.admission.known(id).NotAfter)
		}
	}
	return next
}

func (r *Replica) isConnected(id peer.ID) bool {
	return r.host.Network().Connectedness(id) == network.Connected
}

// expel closes all connections to a peer.
func (r *Replica) expel(id peer.ID, why error) {
	for _, c := range r.host.Network().ConnsToPeer(id) {
		r.admission.tell(id, c.RemoteMultiaddr(), why)
	}
	if err := r.host.Network().ClosePeer(id); err != nil {
		r.log.Debug("closing a connection failed", "peer", id, "err", err)
	}
}

// reconsider has everything that peers have judged anew, and pulled if it is admitted now.
func (r *Replica) reconsider() {
	for _, m := range r.members.all() {
		m.reconsider()
		notify(m.pull)
	}
}

// ownState is what was last said of our own certificate.
type ownState struct {
	chain  trust.Chain
	reason wire.Reason
}

// reviewOwn says once when our own certificate is no longer, or again, good enough, shows a new one to
// the peers, and returns when it ends.
func (r *Replica) reviewOwn(last *ownState) (end time.Time) {
	chain := r.admission.certificate()
	member, err := r.admission.own(chain)
	reason := reasonOf(err)
	switch {
	case reason == last.reason:
	case err != nil:
		r.log.Error("this node's certificate is not valid: peers will not admit it; renew it", "err", err)
	default:
		r.log.Info("this node's certificate is valid", "name", member.Name, "until", member.NotAfter)
	}
	if err == nil && !bytes.Equal(chain.DER(), last.chain.DER()) {
		r.learn(chain)
	}
	*last = ownState{chain, reason}
	if err == nil {
		r.presentAll(chain)
	}
	return member.NotAfter
}

// presentAll shows our certificate to every peer that has not seen it.
func (r *Replica) presentAll(mine trust.Chain) {
	for _, id := range r.host.Network().Peers() {
		if r.admission.show(id, mine) {
			r.spawn(func() { r.present(id, mine) })
		}
	}
}

// present shows our certificate to a peer. When that fails, the next review tries again.
func (r *Replica) present(id peer.ID, mine trust.Chain) {
	err := r.presentOnce(id, mine)
	var verdict refusedBy
	switch {
	case err == nil:
	case errors.As(err, &verdict):
		r.log.Warn("a peer does not take our new certificate", "peer", id, "err", err)
	default:
		r.admission.show(id, trust.Chain{})
		r.log.Debug("our new certificate was not shown", "peer", id, "err", err)
	}
}

func (r *Replica) presentOnce(id peer.ID, mine trust.Chain) (err error) {
	x, err := r.open(r.ctx, id, r.names.member)
	if err != nil {
		return err
	}
	defer func() { x.end(err) }()
	if err := x.send(wire.Member{Chain: mine.DER()}); err != nil {
		return err
	}
	v, err := expect[wire.Verdict](x, wire.MaxRequest, answerWithin)
	if err == nil && v.Reason != wire.Admitted {
		err = refusedBy{v.Reason}
	}
	return err
}

// serveMember takes a member's new certificate. One that is not accepted changes nothing: the peer is a
// member by the old one as long as that is valid.
func (r *Replica) serveMember(x *exchange) error {
	theirs, err := expect[wire.Member](x, wire.MaxMember, answerWithin)
	if err != nil {
		return err
	}
	refused := r.admission.judge(x.peer, theirs.Chain)
	if refused != nil {
		r.log.Debug("certificate not taken", "peer", x.peer, "err", refused)
	}
	return x.send(wire.Verdict{Reason: reasonOf(refused)})
}

// admitted takes note of a certificate by which a peer was admitted.
func (r *Replica) admitted(c trust.Chain) {
	notify(r.review)
	r.learn(c)
}

// learn keeps a certificate that was accepted: what its key has signed may be accepted now, too.
func (r *Replica) learn(c trust.Chain) {
	r.spawn(func() {
		before, _ := r.ix.Certificate(c.Key())
		if err := r.ix.Learn(c); err != nil {
			r.log.Debug("certificate not kept", "err", err)
		}
		if after, _ := r.ix.Certificate(c.Key()); !bytes.Equal(before.DER(), after.DER()) {
			r.reconsider()
		}
	})
}
