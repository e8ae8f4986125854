package replica

import (
	"context"
	"errors"
	"time"

	"dmfs/index"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	inboxSize  = 1024 // arrivals with content, of maxGossip bytes at most
	bodiesSize = 64   // arrivals from one peer whose content is to be fetched
	maxTries   = 8    // of a content, over some 25 s
	firstRetry = 100 * time.Millisecond
	batchCount = 256     // records in one transaction
	batchBytes = 4 << 20 // bytes of content in one transaction, unless the last one exceeds it
)

// arrival is a record that gossip brought.
type arrival struct {
	from  peer.ID
	rec   trust.Record
	over  bool // and so needs no content
	tries int  // to fetch its content
}

// take queues an arrival. When the queue is full it is sync that brings the record later. Each peer has a
// queue of its own for what is to be fetched, as it decides how long that takes.
func (r *Replica) take(a arrival) {
	queue := r.inbox
	if _, ok := a.rec.Content(); !ok && !a.over {
		m := r.members.get(a.from)
		if m == nil || m.current() == nil {
			r.tellOthers(m) // it is gone; what they have of it comes by sync
			return
		}
		queue = m.bodies
	}
	select {
	case queue <- a:
	default:
		r.members.suspect(a.from)
	}
}

// applyArrivals stores what has come, everything that waits in one go.
func (r *Replica) applyArrivals() {
	for {
		select {
		case <-r.ctx.Done():
			return
		case first := <-r.inbox:
			r.applyBatch(r.gather(first))
		}
	}
}

// gather takes from the inbox what is there, up to a batch.
func (r *Replica) gather(first arrival) []arrival {
	got := []arrival{first}
	for len(got) < batchCount {
		select {
		case a := <-r.inbox:
			got = append(got, a)
		default:
			return got
		}
	}
	return got
}

// applyBatch applies arrivals, those of one peer together: the index notes who brought what.
func (r *Replica) applyBatch(batch []arrival) {
	var order []peer.ID
	byPeer := make(map[peer.ID][]trust.Record)
	for _, a := range batch {
		if byPeer[a.from] == nil {
			order = append(order, a.from)
		}
		byPeer[a.from] = append(byPeer[a.from], a.rec)
	}
	for _, from := range order {
		if _, err := r.apply(from, byPeer[from]); err != nil {
			r.members.suspect(from)
		}
	}
}

// apply proposes records to the index. An error is the disk's: nothing was stored.
func (r *Replica) apply(from peer.ID, recs []trust.Record) ([]index.Outcome, error) {
	r.chargeContents(recs)
	outcomes, err := r.ix.Apply(from.String(), recs...)
	if err != nil && r.ctx.Err() == nil {
		r.log.Error("cannot store what a peer sent", "peer", from, "err", err)
	}
	if err == nil {
		r.tellWhoAsked(recs)
	}
	for i, o := range outcomes {
		r.blameOwner(recs[i].Name(), o.Err)
		if o.Err == nil {
			r.blameClock(recs[i].Name(), recs[i].Version())
		}
	}
	return outcomes, err
}

// fetchBodies fetches contents that did not travel inline with what a peer gossiped.
func (r *Replica) fetchBodies(session context.Context, m *member) {
	for {
		select {
		case <-session.Done():
			r.leaveBodies(m)
			return
		case a := <-m.bodies:
			r.fetchBody(a)
		}
	}
}

// leaveBodies leaves to sync with others what a peer that is gone has gossiped.
func (r *Replica) leaveBodies(m *member) {
	for left := true; left; {
		select {
		case <-m.bodies:
			r.tellOthers(m)
		default:
			left = false
		}
	}
}

func (r *Replica) fetchBody(a arrival) {
	if !r.fresh(a.rec) {
		return
	}
	whole, err := r.fetch(r.ctx, a.rec, a.from)
	if err == nil {
		_, err = r.apply(a.from, []trust.Record{whole})
	}
	if err != nil {
		r.log.Debug("content not fetched", "name", a.rec.Name(), "peer", a.from, "err", err)
	}
	switch {
	case err == nil:
	case errors.Is(err, errNotUnderstood):
		r.noteRefusal(a.from, a.rec.Name().String(), err)
	default:
		if errors.Is(err, errTooSlow) {
			r.members.suspect(a.from) // sync has more patience
		}
		r.fetchLater(a)
	}
}

// fetchLater tries again, for a peer forwards a head before it has the content itself; in the end it is
// sync that brings it.
func (r *Replica) fetchLater(a arrival) {
	if a.tries == maxTries {
		r.members.suspect(a.from)
		return
	}
	pause := firstRetry << a.tries
	a.tries++
	a.over = r.ended(a.rec)
	time.AfterFunc(pause, func() { r.take(a) })
}

// noteContradiction shows the index a record that loses against another content which the same key signed
// as of the same time, so that people at this node are warned, too.
func (r *Replica) noteContradiction(from peer.ID, rec trust.Record) {
	if rec.IsZero() {
		return
	}
	e, ok := r.ix.Get(rec.Name())
	held := e.Record
	if !ok || held.IsZero() || held.Version() != rec.Version() || held.Signer() != rec.Signer() || held.Digest() == rec.Digest() {
		return
	}
	select {
	case r.inbox <- arrival{from: from, rec: rec}:
	default:
	}
}

// noteRefusal tells the people at this node what a peer sent that the policy refuses. A forgery is not
// worth a place among the last refusals: anybody who can connect can make any number of them.
func (r *Replica) noteRefusal(from peer.ID, name string, err error) {
	r.log.Debug("refused", "name", name, "peer", from, "err", err)
	var why *trust.Refusal
	if !errors.As(err, &why) || !innocent(err) {
		return
	}
	if n, err := trust.ParseName(name); err != nil || !r.ix.Policy().Admits(n) {
		return
	}
	r.ix.Refuse(index.Refused{Name: name, Origin: from.String(), Reason: why.Error(), Hint: why.Hint, Err: why, At: time.Now()})
}
