package index

import (
	"dmfs/trust"
)

// An Outcome says what became of one record.
type Outcome struct {
	// Seq is the change that made what is now held for the name, 0 when nothing is.
	Seq uint64
	// Err is nil when the record is held, newly or already, and not over; else ErrOlder, ErrNoContent,
	// ErrQuota, ErrConflict or a *trust.Refusal, as when the policy changed since the record was proved.
	// What wins and is over is held all the same, for what it supersedes, or already: then Err is a
	// *trust.Refusal with trust.ErrExpired, and Seq is not 0.
	Err error
}

// Apply takes records that a policy accepted: all that win are on disk when it returns, in one
// transaction, and followers have been woken. Records are considered in their order; a name may
// come twice. A record without content needs its content here already, and that of the travelling
// policy its own; one that is over needs none, and none is stored. Certificates that come with records are learned. origin is cut to 128 bytes.
// An error means that nothing was stored. The records' slices are not kept, but for the signature.
func (ix *Index) Apply(origin string, recs ...trust.Record) ([]Outcome, error) {
	j := &job{origin: origin, recs: recs, done: make(chan error, 1)}
	select {
	case ix.jobs <- j:
	case <-ix.quit:
		return nil, closed("apply")
	}
	if err := <-j.done; err != nil {
		return nil, err
	}
	return j.outcomes, nil
}

// SetPolicy puts another policy in force: every version stored is proved again under it. Of those
// that it admits the winner is held, by I4; a name without any keeps its version on disk, withheld.
// Names that appear or vanish by this are changes. An error means that the old policy stays.
func (ix *Index) SetPolicy(p *trust.Policy) error {
	j := &policyJob{policy: p, done: make(chan error, 1)}
	select {
	case ix.policies <- j:
		return <-j.done
	case <-ix.quit:
		return closed("set policy")
	}
}
