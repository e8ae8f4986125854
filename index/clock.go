package index

import "time"

// Clock has the index take the time from now instead of [time.Now].
func Clock(now func() time.Time) Option {
	return func(ix *Index) { ix.now = now }
}

// ClockBehind reports whether this clock is absurd: before the newest version that is held and
// admitted, by more than the policy's clock skew, and how long before. Then this clock is wrong, or the
// signer's was.
func (ix *Index) ClockBehind() (by time.Duration, behind bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	now := ix.now()
	for _, f := range ix.files {
		if !f.Record.IsZero() {
			by = max(by, f.Record.Version().Time().Sub(now))
		}
	}
	return by, by > ix.policy.ClockSkew()
}
