//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"dmfs/index"
	"dmfs/replica"
)

// Pages that are touched.
const (
	eventsPage = "events"     // for every event
	peersPage  = "peers.json" // when others may have other changes of this node than before
)

// happened puts an event into the journal and has watchers told.
func (r *reporter) happened(e event) {
	r.journal.add(e)
	r.touch(eventsPage)
}

// heard is told by the replica that others may have something else.
func (r *reporter) heard() { r.touch(peersPage) }

func (r *reporter) touch(page string) {
	if f := r.mount.Load(); f != nil {
		f.Touch(page)
	}
}

// shown is told by the mount what it shows.
func (r *reporter) shown(seq uint64, changes []index.Entry) {
	if changes == nil {
		r.journal.begin(seq)
		return
	}
	now := time.Now()
	for _, e := range changes {
		r.journal.add(inspect(e).event())
		r.counters.shown(e, now)
	}
	r.touch(eventsPage)
}

// refused is told by the index what was refused.
func (r *reporter) refused(x index.Refused) {
	e := refusalEvent(x)
	r.counters.refused(e)
	r.happened(e)
}

// met is told by the replica whom it met or lost.
func (r *reporter) met(id, name string, connected bool) {
	r.happened(meetingEvent(id, name, connected))
	r.lookAtCertificates()
}

// blamed is told by the replica what a peer does wrong.
func (r *reporter) blamed(id, name string, f replica.Fault) { r.happened(faultEvent(id, name, f)) }

// lookAtCertificates has them looked at soon, since there may be others.
func (r *reporter) lookAtCertificates() {
	select {
	case r.examine <- struct{}{}:
	default:
	}
}

// watchCertificates has an event once a day for each member, this node too, whose certificate is soon over.
func (r *reporter) watchCertificates(ctx context.Context) {
	told := map[string]time.Time{}
	tick := time.NewTicker(reread)
	defer tick.Stop()
	for {
		r.examineCertificates(told, time.Now())
		select {
		case <-tick.C:
		case <-r.examine:
		case <-ctx.Done():
			return
		}
	}
}

func (r *reporter) examineCertificates(told map[string]time.Time, now time.Time) {
	members := r.peers().Peers
	if own := r.credential.certificate(); own != nil {
		members = append(members, pagePeer{ID: r.peerID, Name: own.Name, NotAfter: &own.NotAfter})
	}
	for _, m := range expiring(members, now) {
		if left := m.NotAfter.Sub(now); left > -daily && now.Sub(told[m.ID]) >= daily {
			told[m.ID] = now
			r.happened(event{Kind: kindCertificate, Peer: m.ID, Member: m.Name, Text: lastWord(left, *m.NotAfter)})
		}
	}
}

func lastWord(left time.Duration, end time.Time) string {
	if left <= 0 {
		return "its certificate is over since " + end.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("its certificate is over in %s, at %s", span(left), end.UTC().Format(time.RFC3339))
}
