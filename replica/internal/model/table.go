package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	runs  = 20 // of each size, from seeds 1 on
	scale = 10 * time.Millisecond
)

// Table returns what the README shows. News of 600 bytes are published where each link takes 25 to 35 ms and
// loses one copy of a hundred: until half of the nodes have them, and all, in the median of some runs; and how
// many copies, and bytes, each node sends on average.
func Table() string {
	var text strings.Builder
	text.WriteString(" nodes    half     all   sent by each, until all have it\n")
	for _, n := range []int{10, 64, 100, 1000, 10000} {
		r := resultsOf(n)
		fmt.Fprintf(&text, "%6d  %3d ms  %3d ms   %.1f = %.1f KB   %s\n", n, r.half.Milliseconds(), r.last.Milliseconds(),
			float64(r.copies)/float64(runs*n), float64(r.bytes)/float64(runs*n)/1000, strings.Repeat("#", int(r.last/scale)))
	}
	return text.String()
}

// results are medians of times, and sums.
type results struct {
	half, last    time.Duration
	copies, bytes int
}

func resultsOf(n int) (r results) {
	news := News{Bytes: 600, Delay: 25 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.01}
	var half, last []time.Duration
	for seed := range uint64(runs) {
		dice := rand.New(rand.NewPCG(seed+1, uint64(n)))
		s := Connect(n, dice).Publish(news, dice)
		last = append(last, s.Last())
		slices.Sort(s.Reached)
		half = append(half, s.Reached[n/2])
		r.copies += s.Copies
		r.bytes += s.Bytes
	}
	r.half, r.last = median(half), median(last)
	return r
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
