package index

import (
	"time"

	"dmfs/trust"
)

const (
	// longest is how long the writer waits at most while something has an end. Timers stand still
	// while the machine sleeps, and do not follow a clock that is set: then it is late by this much.
	longest = 15 * time.Second
	// sweepful is how many names are withheld in one transaction, so that Apply waits little.
	sweepful = 1024
)

// wait returns how long it is until the nearest end, and whether there is one.
func (ix *Index) wait() (d time.Duration, ok bool) {
	at, ok := ix.ends.next()
	if !ok {
		return 0, false
	}
	return min(max(0, at.Sub(ix.now())), longest), true
}

// expire withholds what is over by now. A lifetime needs no proof to be over; a certificate may have
// been renewed, and there may be another version.
func (ix *Index) expire() error {
	b := ix.newBatch()
	var others [][]*change
	for _, n := range ix.ends.due(b.now, sweepful) {
		if f := ix.files[n]; f.Shown && ended(f.Record, b.now) && !lapsed(f.Record, b.now) {
			b.expire(f)
		} else {
			others = append(others, f.changes())
		}
	}
	b.settleAll(others, false)
	return b.commit()
}

// expire plans the end of a lifetime. What was not over has a record if it stands.
func (b *batch) expire(f *file) {
	c := *f.held
	c.withheld, c.expired = true, true
	b.add(&c, proof{record: f.standing, standing: f.standing, over: true}, f)
}

// ended reports whether a record's lifetime is over.
func ended(r trust.Record, now time.Time) bool {
	end, mortal := r.Expires()
	return mortal && !now.Before(end)
}

// lapsed reports whether a record's certificate is over.
func lapsed(r trust.Record, now time.Time) bool {
	m, ok := r.Member()
	return ok && !now.Before(m.NotAfter)
}

// end returns the first moment at which a record is no longer valid, its lifetime or its
// certificate being over; zero for never.
func end(r trust.Record) time.Time {
	at, _ := r.Expires()
	m, _ := r.Member()
	return earlier(at, m.NotAfter)
}

// earlier returns the earlier one of two moments; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// end returns when the name is to be judged again; zero for never.
func (f *file) end(p *trust.Policy, now time.Time) time.Time {
	at := end(f.Record)
	if f.Expired {
		m, _ := f.Record.Member()
		at = m.NotAfter
	}
	return earlier(at, f.begin(p, now))
}

// begin returns when the first of the versions that would win, but are too far ahead of the clock, is
// so no longer; zero for never.
func (f *file) begin(p *trust.Policy, now time.Time) (at time.Time) {
	if p.MaxFuture() == 0 {
		return at
	}
	for _, c := range f.changes() {
		from := c.version.Time().Add(-p.MaxFuture())
		if c.version > f.standing.Version() && from.After(now) {
			at = earlier(at, from)
		}
	}
	return at
}
