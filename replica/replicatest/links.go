package replicatest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Faults is what the links of a schedule do to what passes. The zero Faults do nothing.
type Faults struct {
	Delay     time.Duration // at least, in each direction
	Jitter    time.Duration // and up to that much more, so that things overtake each other
	Loss      float64       // how likely a datagram or a gossip message is lost
	Duplicate float64       // and how likely one comes twice
	Break     float64       // how likely a stream breaks with each thing that is written to it
}

// Links are the one-way links between the nodes of a simulation, by their numbers.
type Links struct {
	mu      sync.Mutex
	faults  Faults
	blocked map[[2]int]bool
	dice    map[[2]int]*rand.Rand // of each link, so that what happens on others does not matter
	seed    uint64
	changed []func()
	uplinks map[int]*uplink
}

func newLinks(seed uint64) *Links {
	return &Links{seed: seed, blocked: make(map[[2]int]bool), dice: make(map[[2]int]*rand.Rand)}
}

// passes reports whether anything gets through.
func (l *Links) passes(from, to int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.blocked[[2]int{from, to}]
}

// set blocks exactly those links that blocked says, and reports to whoever watches.
func (l *Links) set(n int, blocked func(from, to int) bool) {
	l.mu.Lock()
	clear(l.blocked)
	for from := range n {
		for to := range n {
			if from != to && blocked(from, to) {
				l.blocked[[2]int{from, to}] = true
			}
		}
	}
	l.mu.Unlock()
	for _, f := range l.changed {
		f()
	}
}

func (l *Links) setFaults(f Faults) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = f
}

// die returns the die of a link; the caller holds mu.
func (l *Links) die(from, to int) *rand.Rand {
	key := [2]int{from, to}
	if l.dice[key] == nil {
		l.dice[key] = rand.New(rand.NewPCG(l.seed, uint64(from<<8|to)))
	}
	return l.dice[key]
}

// fate says when each copy of a datagram or message arrives: none if it is lost.
func (l *Links) fate(from, to int) (after []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	die := l.die(from, to)
	copies := 1
	if die.Float64() < l.faults.Duplicate {
		copies = 2
	}
	if die.Float64() < l.faults.Loss || l.blocked[[2]int{from, to}] {
		copies = 0
	}
	for range copies {
		after = append(after, l.delay(die))
	}
	return after
}

// step says how long what is written to a stream takes, and whether the stream breaks instead.
func (l *Links) step(from, to int) (after time.Duration, breaks bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	die := l.die(from, to)
	return l.delay(die), die.Float64() < l.faults.Break
}

func (l *Links) delay(die *rand.Rand) time.Duration {
	d := l.faults.Delay
	if l.faults.Jitter > 0 {
		d += time.Duration(die.Int64N(int64(l.faults.Jitter)))
	}
	return d
}
