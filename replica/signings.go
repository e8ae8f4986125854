package replica

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// What a member may have us take, store and pass on, in all its namespaces: a version costs one, and one
// more for each signedUnit of its content.
const (
	signedBurst = 512
	signedRate  = 32 // per second
	signedUnit  = 16 << 10
	newAfter    = 10 * time.Minute // a name that did not change for so long costs nothing in sync
	maxPaid     = 4096             // versions remembered as paid for
)

var (
	// errTooOften: the member whose name it is signs more than its allowance.
	errTooOften = errors.New("signed too often")
	// errSuperseded: a later version of the name is on its way.
	errSuperseded = errors.New("superseded")
)

// tooOften is errTooOften, and how long it will be so.
type tooOften struct{ wait time.Duration }

func (e tooOften) Error() string { return fmt.Sprintf("%v: more is taken in %v", errTooOften, e.wait) }
func (tooOften) Unwrap() error   { return errTooOften }

// signings bound how often members publish in their namespaces. Only what the member itself signed
// counts, and that once, whoever sends it how often: nobody else can use up an allowance.
type signings struct {
	*allowances[trust.Key]

	mu   sync.Mutex
	paid map[wire.Key]paid // the newest of each name
}

// paid is a version for which its signer has paid.
type paid struct {
	version int64
	stamp   wire.Stamp
}

func newSignings() *signings {
	return &signings{
		allowances: newAllowances[trust.Key](signedBurst, signedRate),
		paid:       make(map[wire.Key]paid),
	}
}

// overdrawn refuses a name of a member whose allowance is used up, before anything is proved.
func (r *Replica) overdrawn(policy *trust.Policy, n trust.Name) error {
	_, owner, ok := policy.Namespace(n)
	if !ok {
		return nil
	}
	return r.refuseFor(owner, r.signed.wait(owner, r.now()))
}

func (r *Replica) refuseFor(owner trust.Key, wait time.Duration) error {
	if wait == 0 {
		return nil
	}
	r.blame(peerOf(owner), faultVersions, nil)
	return tooOften{wait}
}

// chargeGossip has the member pay for a record in its namespace that gossip brought: it is passed on at once.
func (r *Replica) chargeGossip(rec trust.Record) error {
	_, owner, ok := r.ix.Policy().Namespace(rec.Name())
	if !ok || !r.fresh(rec) {
		return nil
	}
	if r.signed.paidBeyond(rec) {
		return errSuperseded
	}
	return r.refuseFor(owner, r.signed.pay(owner, rec, r.now()))
}

// chargeSync has it pay for one that sync brought. That is the newest one of its name and goes to who
// lacks it, so it costs only where the name changes again and again.
func (r *Replica) chargeSync(rec trust.Record) error {
	_, owner, ok := r.ix.Policy().Namespace(rec.Name())
	if !ok || !r.fresh(rec) || !r.changedLately(rec.Name()) {
		return nil
	}
	return r.refuseFor(owner, r.signed.pay(owner, rec, r.now()))
}

// chargeContents has members pay for the contents that are about to be stored in place of what came
// lately. Their lengths are proved by now.
func (r *Replica) chargeContents(recs []trust.Record) {
	for _, rec := range recs {
		content, _ := rec.Content()
		_, owner, ok := r.ix.Policy().Namespace(rec.Name())
		if ok && r.fresh(rec) && r.changedLately(rec.Name()) {
			r.signed.owe(owner, float64(len(content)/signedUnit), r.now())
		}
	}
}

func (r *Replica) changedLately(n trust.Name) bool {
	e, ok := r.ix.Get(n)
	return ok && time.Since(e.Since) < newAfter
}

// pay charges for a record that was not paid for.
func (s *signings) pay(owner trust.Key, rec trust.Record, now time.Time) (wait time.Duration) {
	key, this := wire.KeyOf(rec.Name().String()), paid{int64(rec.Version()), stampOf(rec)}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.paid[key]
	if last == this {
		return 0
	}
	if wait := s.spend(owner, 1, now); wait > 0 {
		return wait
	}
	if len(s.paid) >= maxPaid {
		clear(s.paid)
	}
	if last.version <= this.version {
		s.paid[key] = this
	}
	return 0
}

// paidBeyond reports whether a later version of the name was paid for, and is on its way.
func (s *signings) paidBeyond(rec trust.Record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paid[wire.KeyOf(rec.Name().String())].version > int64(rec.Version())
}
