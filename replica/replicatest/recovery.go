package replicatest

import (
	"testing/synctest"
	"time"
)

const (
	// bound is how many sync intervals it may take, once all is healed, until all are equal. What a peer
	// could not give is not asked for again within ten minutes, which are twenty of them.
	bound = 24
	// lazyBound is how long it may take when all nodes have connected anew, and are thereby woken up. Clocks
	// that were set are noticed within a minute.
	lazyBound = 2 * time.Minute
	// rest is for how long nothing has to happen then.
	rest = 2 * time.Second
)

// eventually heals everything and waits until machines with equal policies are equal.
func (s *simulation) eventually() {
	s.heal()
	if end := epoch.Add(s.plan.ends); end.After(s.lasting) {
		s.lasting = end
	}
	if left := time.Until(s.lasting); left > 0 {
		pass(left + clockNotice)
	}
	within := bound * syncInterval
	if s.plan.lazy {
		within = lazyBound
	}
	floor, begun := s.floor(), time.Now()
	for wait := time.Second; len(s.differences(floor)) > 0 || len(s.fabric.open()) > 0; wait = min(2*wait, within/8) {
		if time.Since(begun) > within {
			s.complain(within, s.differences(floor))
			return
		}
		pass(wait)
		s.look()
	}
	s.tell("equal after %v", time.Since(begun))
	pass(rest)
	s.look()
}

func (s *simulation) complain(within time.Duration, differences []string) {
	for _, d := range differences {
		s.fail("%v later %s", within, d)
	}
	for _, m := range s.machines {
		for _, p := range m.replica.Peers() {
			s.tell("node %d: peer %.12s at %s connected %v, in sync %v at %v", m.number, p.ID[40:], p.Addr, p.Connected, p.InSync, p.LastSync.Sub(s.begun))
		}
	}
	for _, o := range s.fabric.open() {
		s.fail("%v later a stream is open: %s", within, o)
	}
}

// heal ends all faults, sets the clocks right, starts who is off, and rolls out the policies of the end.
func (s *simulation) heal() {
	s.tell("all is healed; policies %v", s.plan.last)
	s.links.setFaults(Faults{Delay: 5 * time.Millisecond})
	if s.plan.lazy {
		s.links.set(len(s.machines), nothing.blocked)
		s.fabric.sever(true)
	} else {
		s.cut(whole, false)
	}
	if s.enemy != nil {
		defer s.enemy.meet()
	}
	for _, m := range s.machines {
		m.setClock(0)
		if m.replica == nil {
			s.start(m)
		}
	}
	late := s.plan.lazy && s.plan.healed.name == whole.name
	if !late {
		s.adoptLast()
	}
	if s.plan.lazy {
		pass(time.Minute) // until what gossip brought is fetched or given up: it wakes nobody up
		s.rejoin()
	}
	if late {
		s.adoptLast()
	}
	synctest.Wait()
	s.look()
}

// rejoin has all connect anew, at once or, where few links are left, one node after the other: then those who
// are connected already have to be told of what each brings.
func (s *simulation) rejoin() {
	s.tell("links are %s again", s.plan.healed.name)
	n, first := len(s.machines), len(s.machines)
	if s.plan.healed.name != whole.name {
		first = 2
	}
	for there := first; there <= n; there++ {
		s.links.set(n, func(from, to int) bool { return from >= there || to >= there || s.plan.healed.blocked(from, to) })
		pass(time.Minute)
	}
}

// adoptLast rolls out the policies of the end.
func (s *simulation) adoptLast() {
	for i, m := range s.machines {
		s.adopt(m, s.plan.last[i])
	}
}

// adopt puts another configuration in force on a machine that runs.
func (s *simulation) adopt(m *machine, configured int) {
	if s.configuration(m) != configured {
		s.must(s.enact(m, configured))
	}
}
