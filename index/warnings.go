package index

import (
	"fmt"
	"slices"
	"time"

	"dmfs/trust"
)

// A Warning is something odd that was accepted all the same.
type Warning struct {
	Name trust.Name // zero: it is about members
	At   time.Time  // when it was seen first
	Text string     // a sentence for people
}

// Warnings returns the last warning of each name since Open, for at most 256 names, and of members who
// have one name, for at most 256, as long as they do; the newest last.
func (ix *Index) Warnings() []Warning {
	all := append(ix.warned.all(), ix.prover().namesakes()...)
	slices.SortStableFunc(all, func(a, b Warning) int { return a.At.Compare(b.At) })
	return all
}

// compare orders a record and what is held for its name, and warns when their signer contradicts
// itself: I4 makes all nodes agree on one of the two, but the signer may not have meant that one.
func (b *batch) compare(r, held trust.Record) int {
	if r.Version() == held.Version() && r.Signer() == held.Signer() && r.Digest() != held.Digest() {
		w := Warning{Name: r.Name(), At: b.now, Text: fmt.Sprintf(
			"%s: key %s signed two contents as of %s; sign the right one again, with a later time",
			r.Name(), r.Signer(), r.Version().Time().Format(nanoseconds))}
		b.ix.warned.add(w, func(o Warning) bool { return o.Name == w.Name })
	}
	return trust.Compare(r, held)
}

// namesakes warns of live certificates that have one name: links by that name lead to one member only.
func (p prover) namesakes() (warnings []Warning) {
	var first trust.Member
	for _, m := range p.live() {
		if m.Name != first.Name {
			first = m
			continue
		}
		if len(warnings) == maxNotes {
			break
		}
		warnings = append(warnings, Warning{At: later(p.members.byKey[first.Key].since, p.members.byKey[m.Key].since), Text: fmt.Sprintf(
			"two live certificates have the name %q: that of key %s, issued at %s, wins over that of key %s, issued at %s; "+
				"revoke one, or renew it with another name",
			m.Name, first.Key, first.Issued.Format(time.RFC3339), m.Key, m.Issued.Format(time.RFC3339))})
	}
	return warnings
}
