package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

const runs = 20 // of each size, from seeds 1 on

// sizes of networks, in nodes: those of which each node is connected to each, and larger ones.
var sizes = [][]int{{10, 20, 40, all}, {all + 1, 100, 200, 500, 1000, 2000, 5000, 10000}}

// results are medians of the runs of one size, of times, and an average of what each node sends.
type results struct {
	nodes     int
	half, all time.Duration // until so many of the nodes have the news
	sent      float64       // bytes by each node
}

// resultsOfAll has them as sizes has the networks.
var resultsOfAll = sync.OnceValue(func() (list [][]results) {
	for _, some := range sizes {
		var of []results
		for _, n := range some {
			of = append(of, resultsOf(n))
		}
		list = append(list, of)
	}
	return list
})

// resultsOf publishes news of 600 bytes where each link takes 25 to 35 ms and loses one copy of a hundred.
func resultsOf(n int) results {
	news := News{Bytes: 600, Delay: 25 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.01}
	var half, all []time.Duration
	bytes := 0
	for seed := range uint64(runs) {
		dice := rand.New(rand.NewPCG(seed+1, uint64(n)))
		s := Connect(n, dice).Publish(news, dice)
		all = append(all, s.Last())
		slices.Sort(s.Reached)
		half = append(half, s.Reached[n/2])
		bytes += s.Bytes
	}
	return results{nodes: n, half: median(half), all: median(all), sent: float64(bytes) / float64(runs*n)}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// Caption returns what the plot shows in a sentence, for those who do not see it.
func Caption() string {
	var nodes, times, sent []string
	for _, r := range slices.Concat(resultsOfAll()...) {
		if !slices.Contains([]int{10, 100, 1000, 10000}, r.nodes) {
			continue
		}
		nodes = append(nodes, count(r.nodes))
		times = append(times, fmt.Sprint(r.all.Milliseconds()))
		sent = append(sent, fmt.Sprintf("%.1f", r.sent/1000))
	}
	return fmt.Sprintf("All of %s nodes have a new version in %s ms; each sends %s KB for it.", list(nodes), list(times), list(sent))
}

// list is words with commas and an "and".
func list(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
