package replicatest

import (
	"fmt"
	"slices"
)

// shape is a partition: which links between nodes are blocked.
type shape struct {
	name    string
	blocked func(from, to int) bool
}

var (
	whole   = shape{"whole", func(int, int) bool { return false }}
	nothing = shape{"all cut", func(int, int) bool { return true }}
)

// shape draws one of many.
func (p *planner) shape() shape {
	a, b := p.IntN(p.nodes), p.IntN(p.nodes)
	switch p.IntN(6) {
	case 0:
		return p.halves()
	case 1:
		return shape{fmt.Sprintf("cut around node %d", a), func(from, to int) bool { return from == a || to == a }}
	case 2:
		return shape{fmt.Sprintf("cut from %d to %d", a, b), func(from, to int) bool { return from == a && to == b }}
	case 3:
		return p.chain()
	case 4:
		return star(a)
	}
	return nothing
}

func (p *planner) halves() shape {
	side := p.Perm(p.nodes)
	half := func(i int) bool { return side[i]*2 < p.nodes }
	return shape{fmt.Sprintf("two halves of %v", side), func(from, to int) bool { return half(from) != half(to) }}
}

// chain leaves each node its neighbours in a random order.
func (p *planner) chain() shape {
	place := p.Perm(p.nodes)
	return shape{fmt.Sprintf("a chain by %v", place), func(from, to int) bool {
		d := place[from] - place[to]
		return d != 1 && d != -1
	}}
}

// star leaves the links of one node.
func star(a int) shape {
	return shape{fmt.Sprintf("a star around %d", a), func(from, to int) bool { return from != a && to != a }}
}

func uniform(all []int) bool { return len(slices.Compact(slices.Clone(all))) == 1 }
