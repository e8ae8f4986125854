package replica

import (
	"maps"
	"sync"
	"time"
)

// maxAllowances is how many are remembered before those that are whole again are forgotten.
const maxAllowances = 1024

// allowances are how much each key may spend: so much at once, and then so much a second.
type allowances[K comparable] struct {
	burst, rate float64

	mu    sync.Mutex
	more  float64 // than burst at once
	spent map[K]spending
}

// spending is what was spent at a moment of what may be at once; what is more than that is a debt.
type spending struct {
	spent float64
	at    time.Time
}

func newAllowances[K comparable](burst, rate float64) *allowances[K] {
	return &allowances[K]{burst: burst, rate: rate, spent: make(map[K]spending)}
}

// spend takes what something costs, if anything is left, though it be less than the cost. Else it takes
// nothing and returns how long it is until something is left.
func (as *allowances[K]) spend(k K, cost float64, now time.Time) (wait time.Duration) {
	as.mu.Lock()
	defer as.mu.Unlock()
	left, wait := as.now(k, now)
	if wait == 0 {
		as.set(k, left-cost, now)
	}
	return wait
}

// owe takes what something has cost, whatever is left.
func (as *allowances[K]) owe(k K, cost float64, now time.Time) {
	as.mu.Lock()
	defer as.mu.Unlock()
	left, _ := as.now(k, now)
	as.set(k, left-cost, now)
}

// allow sets how much more than burst each may spend at once, whatever it has spent.
func (as *allowances[K]) allow(more float64) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.more = more
}

// wait returns how long it is until something is left.
func (as *allowances[K]) wait(k K, now time.Time) time.Duration {
	as.mu.Lock()
	defer as.mu.Unlock()
	_, wait := as.now(k, now)
	return wait
}

func (as *allowances[K]) now(k K, now time.Time) (left float64, wait time.Duration) {
	s, ok := as.spent[k]
	if !ok {
		return as.burst + as.more, 0
	}
	left = as.burst + as.more - max(0, s.spent-as.rate*max(0, now.Sub(s.at).Seconds()))
	if left < 1 {
		wait = max(time.Millisecond, time.Duration((1-left)/as.rate*float64(time.Second)))
	}
	return left, wait
}

func (as *allowances[K]) set(k K, left float64, now time.Time) {
	if _, known := as.spent[k]; !known && len(as.spent) >= maxAllowances {
		maps.DeleteFunc(as.spent, func(k K, _ spending) bool {
			left, _ := as.now(k, now)
			return left >= as.burst+as.more
		})
	}
	as.spent[k] = spending{as.burst + as.more - left, now}
}
