//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
)

// eventsPage is the page that is touched for every event.
const eventsPage = "events"

// happened puts an event into the journal and has watchers told.
func (r *reporter) happened(e event) {
	r.journal.add(e)
	r.touchEvents()
}

func (r *reporter) touchEvents() {
	if f := r.mount.Load(); f != nil {
		f.Touch(eventsPage)
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
	r.touchEvents()
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
	select {
	case r.examine <- struct{}{}: // there may be another certificate to look at
	default:
	}
}

// watchCertificates has an event once a day for each member whose certificate is soon over.
func (r *reporter) watchCertificates(ctx context.Context) {
	told := map[trust.Key]time.Time{}
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

func (r *reporter) examineCertificates(told map[trust.Key]time.Time, now time.Time) {
	for _, m := range r.index.Members() {
		if left := m.NotAfter.Sub(now); left < soonOver && now.Sub(told[m.Key]) >= daily {
			told[m.Key] = now
			r.happened(event{
				Kind: kindCertificate, Peer: replica.PeerID(m.Key), Member: m.Name,
				Text: fmt.Sprintf("its certificate is over in %s, at %s", span(left), m.NotAfter.UTC().Format(time.RFC3339)),
			})
		}
	}
}
