package replicatest

import (
	"math/rand/v2"
	"time"

	"dmfs/trust"
)

// more has some of the steps be others, by dice of their own: what a seed stood for before is that still.
func (p *planner) more() {
	q := planner{Rand: rand.New(rand.NewPCG(p.seed, 1)), plan: p.plan, bounded: p.bounded}
	if q.IntN(5) == 0 {
		q.travels = true
		for range 2 + q.IntN(4) {
			q.instead(q.amending(q.IntN(q.nodes)))
			q.instead(q.addedPublication(q.IntN(q.nodes)))
		}
	}
	if q.members && !q.lazy && q.IntN(3) == 0 {
		q.ends = time.Duration(1+q.IntN(120)) * time.Second // certificates know no less
		middle := len(q.steps) / 2
		q.steps[q.IntN(middle)].do = q.publicationOf(outcast, q.IntN(q.nodes))
		if q.IntN(2) == 0 {
			q.steps[middle+q.IntN(len(q.steps)-middle)].do = q.renewal()
		}
	}
	if q.IntN(4) == 0 {
		q.instead(q.powerCut(q.IntN(q.nodes)))
	}
}

// instead puts something in the place of a step.
func (p *planner) instead(do func(*simulation)) { p.steps[p.IntN(len(p.steps))].do = do }

// addedPublication has a signer publish a file that only a policy.toml admits.
func (p *planner) addedPublication(i int) func(*simulation) {
	name, signer, content := added[p.IntN(2)], p.IntN(2), p.content()
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica == nil {
			return
		}
		n, err := trust.ParseName(name)
		s.must(err)
		s.publish(m, publisher{Signer: signers[signer]}, trust.Statement{Name: n, Version: trust.VersionAt(time.Now())}, content)
	}
}

// powerCut has a machine lose its power and start again at once.
func (p *planner) powerCut(i int) func(*simulation) {
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica == nil {
			return
		}
		s.tell("node %d loses its power", i)
		s.must(m.cutPower())
		s.start(m)
	}
}
