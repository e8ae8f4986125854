package model

import (
	"math/rand/v2"
	"slices"
)

// The numbers of package replica.
const (
	all    = 64 // nodes, of which each is connected to each
	chosen = 12 // by each node of more than that

	meshLow, meshWanted, meshHigh = 4, 5, 7
)

// Graph is for each node those that it is connected to, both ways.
type Graph [][]int

// Connect returns the connections of n nodes.
func Connect(n int, dice *rand.Rand) Graph {
	g := make(Graph, n)
	for a := range n {
		if n <= all {
			for b := range a {
				g.link(a, b)
			}
			continue
		}
		for mine := 0; mine < chosen; {
			if b := dice.IntN(n); b != a {
				g.link(a, b)
				mine++
			}
		}
	}
	return g
}

func (g Graph) link(a, b int) {
	if !slices.Contains(g[a], b) {
		g[a], g[b] = append(g[a], b), append(g[b], a)
	}
}

func (g Graph) cut(a, b int) {
	g[a] = slices.DeleteFunc(g[a], func(i int) bool { return i == b })
	g[b] = slices.DeleteFunc(g[b], func(i int) bool { return i == a })
}

// mesh returns to whom each node passes on what it hears: who has too few asks for some, who has too many
// leaves some, as often as a few heartbeats do.
func (g Graph) mesh(dice *rand.Rand) Graph {
	m := make(Graph, len(g))
	for range 10 {
		for a := range g {
			if len(m[a]) >= meshLow {
				continue
			}
			for _, i := range dice.Perm(len(g[a])) {
				if len(m[a]) < meshWanted {
					m.link(a, g[a][i])
				}
			}
		}
		for a := range g {
			for len(m[a]) > meshHigh {
				m.cut(a, m[a][dice.IntN(len(m[a]))])
			}
		}
	}
	return m
}
