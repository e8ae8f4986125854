package model

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	soonest, latest = 15 * time.Second, 45 * time.Second // between a node's comparisons
	unwanted        = 1 << 10                            // bytes of news from which on nodes say that they have it
	compared        = 500                                // bytes of a comparison and what it brings, beside the news
)

// News is what is published, and the links that it takes.
type News struct {
	Bytes  int           // of one copy
	Delay  time.Duration // of each link at least,
	Jitter time.Duration // and up to that much more
	Loss   float64       // how likely a copy is lost
}

// Spread is what became of it.
type Spread struct {
	Reached []time.Duration // how long until each node had it
	Copies  int             // that all nodes sent, in gossip and in comparisons
	Bytes   int             // likewise
	Lost    int             // nodes that only a comparison told
}

// Last returns how long it took until all had it.
func (s Spread) Last() time.Duration { return slices.Max(s.Reached) }

// event is a copy that arrives, or a comparison that begins.
type event struct {
	at       time.Duration
	to, from int
	compare  bool
}

// world is one run.
type world struct {
	News
	graph, mesh Graph
	dice        *rand.Rand
	events      queue
	spread      Spread
	left        int // nodes that do not have it
}

const never = time.Duration(-1)

// Publish has node 0 publish news.
func (g Graph) Publish(news News, dice *rand.Rand) Spread {
	w := &world{News: news, graph: g, mesh: g.mesh(dice), dice: dice, left: len(g) - 1}
	w.spread.Reached = slices.Repeat([]time.Duration{never}, len(g))
	w.spread.Reached[0] = 0
	for _, to := range g[0] {
		w.send(0, 0, to)
	}
	for a := range g {
		w.compareIn(0, a)
	}
	for w.left > 0 {
		e := heap.Pop(&w.events).(event)
		if e.compare {
			w.compare(e)
		} else if w.hear(e.at, e.to) {
			w.passOn(e)
		}
	}
	return w.spread
}

// delay draws how long a link takes.
func (w *world) delay() time.Duration {
	return w.Delay + time.Duration(w.dice.Int64N(int64(w.Jitter)+1))
}

func (w *world) send(at time.Duration, from, to int) {
	w.spread.Copies++
	w.spread.Bytes += w.Bytes
	if w.dice.Float64() >= w.Loss {
		heap.Push(&w.events, event{at: at + w.delay(), from: from, to: to})
	}
}

// hear reports whether it is news to a node.
func (w *world) hear(at time.Duration, a int) bool {
	if w.spread.Reached[a] != never {
		return false
	}
	w.spread.Reached[a] = at
	w.left--
	return true
}

func (w *world) passOn(e event) {
	for _, to := range w.mesh[e.to] {
		said := w.spread.Reached[to]
		if has := said != never && said+w.Delay <= e.at && w.Bytes >= unwanted; to != e.from && !has {
			w.send(e.at, e.to, to)
		}
	}
}

// compareIn has a node compare itself when its time comes.
func (w *world) compareIn(at time.Duration, a int) {
	heap.Push(&w.events, event{at: at + soonest + time.Duration(w.dice.Int64N(int64(latest-soonest))), to: a, from: a, compare: true})
}

// compare has a node compare itself with a random neighbour or, when it was told to, with one. Both take what
// they lack.
func (w *world) compare(e event) {
	other := e.from
	if other == e.to {
		other = w.graph[e.to][w.dice.IntN(len(w.graph[e.to]))]
		w.compareIn(e.at, e.to)
	}
	a, b := e.to, other
	if w.spread.Reached[a] == never {
		a, b = b, a
	}
	if w.spread.Reached[a] == never || w.spread.Reached[b] != never {
		return
	}
	at := e.at + 4*w.delay() // greeting, looking and asking
	w.hear(at, b)
	w.spread.Lost++
	w.spread.Copies++
	w.spread.Bytes += w.Bytes + compared
	for _, next := range w.graph[b] {
		heap.Push(&w.events, event{at: at, to: b, from: next, compare: true})
	}
}

// queue is the events, the next one first.
type queue []event

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(e any)        { *q = append(*q, e.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
