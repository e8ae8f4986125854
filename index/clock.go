package index

import (
	"time"

	"dmfs/trust"
)

// Clock has the index take the time from now instead of [time.Now].
func Clock(now func() time.Time) Option {
	return func(ix *Index) { ix.now = now }
}

// ClockBehind reports whether this clock is absurd: before the newest version that is held and
// admitted, by more than the policy's clock skew, and how long before. Then this clock is wrong, or the
// signer's was. Of versions in namespaces it takes a second member's word, since any single one
// could say so to everybody for ever.
func (ix *Index) ClockBehind() (by time.Duration, behind bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	now := ix.now()
	members := make(map[trust.Key]time.Duration)
	for _, f := range ix.files {
		if f.Record.IsZero() {
			continue
		}
		ahead := f.Record.Version().Time().Sub(now)
		if m, ok := f.Record.Member(); ok {
			members[m.Key] = max(members[m.Key], ahead)
			continue
		}
		by = max(by, ahead)
	}
	by = max(by, secondOf(members))
	return by, by > ix.policy.ClockSkew()
}

// secondOf returns the longest but one, 0 when there is none.
func secondOf(members map[trust.Key]time.Duration) (second time.Duration) {
	var first time.Duration
	for _, ahead := range members {
		second = max(second, min(first, ahead))
		first = max(first, ahead)
	}
	return second
}
