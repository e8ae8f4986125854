package replicatest

import (
	"math/rand/v2"
	"time"

	"dmfs/trust"
)

// plan is what a seed stands for: everything that happens to the nodes, and when.
type plan struct {
	seed   uint64
	nodes  int
	rules  []int // the policy of each node at first
	last   []int // and in the end
	faults Faults
	steps  []step
	enemy  bool // there is a hostile member
	lazy   bool // no timer has anybody sync: what wakes nodes up must do
	healed shape
	guided bool // all find each other by the first node

	travels bool          // policies travel
	ends    time.Duration // after which the outcast's certificate is over; zero: it never is
	members bool          // there is a network, of which all but the hostile member have a certificate
}

// step is something that happens, some time after what happened before.
type step struct {
	after time.Duration
	do    func(*simulation)
}

// planner draws a plan.
type planner struct {
	*rand.Rand
	*plan
	bounded bool // a policy limits the future: then no clock is ahead of it
}

func planOf(seed uint64) *plan {
	p := &planner{Rand: rand.New(rand.NewPCG(seed, 0)), plan: &plan{seed: seed}}
	p.nodes = []int{2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7}[p.IntN(15)]
	p.bounded = p.IntN(4) == 0
	p.rules, p.last = p.roll(), p.roll()
	p.faults, p.enemy = p.anyFaults(), p.IntN(4) == 0
	p.members = p.IntN(3) == 0
	p.lazy, p.healed = p.IntN(3) == 0, whole
	if p.lazy && uniform(p.last) { // else a node in between might not pass on what its neighbours need
		p.healed = []shape{whole, p.chain(), star(p.IntN(p.nodes))}[p.IntN(3)]
	}
	p.guided = p.healed.name == whole.name && p.IntN(3) == 0
	for range 6 + p.IntN(12) {
		p.steps = append(p.steps, step{p.pause(), p.anything()})
	}
	p.more()
	return p.plan
}

// pause is often none at all.
func (p *planner) pause() time.Duration {
	switch p.IntN(4) {
	case 0:
		return 0
	case 1:
		return time.Duration(p.Int64N(int64(200 * time.Millisecond)))
	case 2:
		return time.Duration(p.Int64N(int64(3 * time.Second)))
	}
	return time.Duration(p.Int64N(int64(40 * time.Second)))
}

// roll draws policies: mostly one for all.
func (p *planner) roll() []int {
	all, common := make([]int, p.nodes), p.policy()
	mixed := p.IntN(3) == 0
	for i := range all {
		if all[i] = common; mixed && p.IntN(2) == 0 {
			all[i] = p.policy()
		}
	}
	return all
}

func (p *planner) policy() int {
	switch n := p.IntN(12); {
	case p.bounded && n < 4:
		return 5
	case n < 8:
		return 0
	default:
		return 1 + n - 8
	}
}

func (p *planner) anyFaults() Faults {
	ms := time.Millisecond
	switch p.IntN(5) {
	case 0:
		return Faults{Delay: ms}
	case 1:
		return Faults{Delay: 20 * ms, Jitter: 20 * ms}
	case 2:
		return Faults{Delay: 5 * ms, Jitter: 2 * time.Second, Duplicate: 0.3}
	case 3:
		return Faults{Delay: 10 * ms, Jitter: 50 * ms, Loss: 0.3, Duplicate: 0.1, Break: 0.05}
	}
	return Faults{Delay: 50 * ms, Jitter: 3 * time.Second, Loss: 0.6, Duplicate: 0.3, Break: 0.2}
}

// anything draws a step.
func (p *planner) anything() func(*simulation) {
	i, dice := p.IntN(p.nodes), 100
	if p.enemy {
		dice = 130
	}
	switch n := p.IntN(dice); {
	case n < 20 && p.members:
		return p.ownPublication(i)
	case n < 50:
		return p.publication(i)
	case n < 62:
		return p.partition()
	case n < 70:
		return func(s *simulation) { s.cut(whole, false) }
	case n < 78:
		return p.outage(i)
	case n < 83:
		return p.backup(i)
	case n < 89:
		to := p.policy()
		return func(s *simulation) { s.rule(s.machines[i], to) }
	case n < 93:
		return p.clock(i)
	case p.enemy:
		return func(s *simulation) { s.misbehave() }
	}
	f := p.anyFaults()
	return func(s *simulation) { s.tell("links are %+v", f); s.links.setFaults(f) }
}

// clock sets a node's clock.
func (p *planner) clock(i int) func(*simulation) {
	now := epoch
	ahead := []time.Duration{
		0, 0, time.Duration(p.Int64N(int64(6*time.Minute))) - 3*time.Minute, -24 * time.Hour,
		time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC).Sub(now), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).Sub(now),
	}[p.IntN(6)]
	if p.bounded {
		ahead = min(ahead, 0)
	}
	return func(s *simulation) {
		s.tell("node %d sets its clock off by %v", i, ahead)
		s.machines[i].setClock(ahead)
	}
}

// outage has a node stop, or start if it is off.
func (p *planner) outage(i int) func(*simulation) {
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica == nil {
			s.tell("node %d starts", i)
			s.start(m)
			return
		}
		s.tell("node %d stops", i)
		s.must(m.off())
	}
}

// backup copies a node's disk, or has it start from the copy.
func (p *planner) backup(i int) func(*simulation) {
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica != nil {
			s.must(m.off())
		}
		if m.copied.held == nil {
			s.tell("node %d is copied", i)
			s.must(m.backUp())
		} else {
			s.tell("node %d is restored from its copy", i)
			s.must(m.restore())
		}
		s.start(m)
	}
}

// rule gives a node another policy, by a restart if it is off.
func (s *simulation) rule(m *machine, to int) {
	s.tell("node %d has policy %d", m.number, to)
	if m.replica == nil {
		m.rule(to) // and what policy.toml says, once it has started
		return
	}
	s.adopt(m, to)
}

// publication has a signer sign something and a node's user copy it into the mount.
func (p *planner) publication(i int) func(*simulation) {
	name, signer, content := []string{"a", "b", "dns/c"}[p.IntN(3)], p.IntN(2), p.content()
	st := trust.Statement{Deleted: p.IntN(5) == 0}
	when, nth := p.IntN(20), trust.Version(p.IntN(3))
	ttl := []time.Duration{0, 0, 5 * time.Second, 40 * time.Second, 2 * time.Minute}[p.IntN(5)]
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica == nil {
			return
		}
		n, err := trust.ParseName(name)
		s.must(err)
		now := trust.VersionAt(time.Now())
		switch st.Name, st.Version = n, now; {
		case when < 6: // equal timestamps
			st.Version = trust.VersionAt(epoch) + nth*trust.Version(20*time.Second)
		case when < 9: // just a bit later than what is held
			st.Version = m.record(n).Version() + 1
		case when == 9 && !p.bounded:
			st.Version = trust.VersionAt(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)) + nth
		case when == 10:
			st.Version = 1 + nth
		}
		if near := st.Version > now-trust.Version(time.Hour) && st.Version < now+trust.Version(time.Hour); near && !st.Deleted {
			st.TTL = ttl
		}
		if st.Deleted {
			content = nil
		}
		s.publish(m, publisher{Signer: signers[signer]}, st, content)
	}
}

// content is mostly short; longer ones do not travel inline in gossip, or even in sync.
func (p *planner) content() []byte {
	size := []int{0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 100, 100, 100, 9 << 10, 9 << 10, 9 << 10, 70 << 10}[p.IntN(19)]
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(p.IntN(2))
		if i >= 8 {
			b[i] = b[i%8]
		}
	}
	return b
}

func (s *simulation) publish(m *machine, by publisher, st trust.Statement, content []byte) {
	st.Network = s.plan.network()
	sig, err := by.Sign(trust.DigestOf(content), st)
	s.must(err)
	is := signed{st.Name, st.Version, trust.DigestOf(content), by.Public().Key, st.Deleted, st.TTL}
	rec, err := m.index.Policy().Verify(trust.NewClaim(st.Name, sig, content).WithCertificate(by.chain), m.now())
	if err == nil {
		err = s.propose(m, is, rec)
	}
	if err != nil {
		s.tell("node %d refuses %v: %v", m.number, is, err)
		return
	}
	s.tell("node %d takes %v of %d bytes", m.number, is, len(content))
	if end, mortal := rec.Expires(); mortal && end.After(s.lasting) {
		s.lasting = end
	}
}

// propose applies a record as the mount does. From then on the machine must hold it, or what wins.
func (s *simulation) propose(m *machine, is signed, rec trust.Record) error {
	s.mu.Lock()
	s.published[is] = true
	s.mu.Unlock()
	out, err := m.index.Apply("mount", rec)
	if err == nil {
		err = out[0].Err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.seen.held[rec.Name()]; err == nil && (!ok || is.compare(before) > 0) {
		m.seen.held[rec.Name()] = is
	}
	return err
}

// partition blocks links in one of many shapes. Some partitions break connections, others only silence them.
func (p *planner) partition() func(*simulation) {
	shape, hard := p.shape(), p.IntN(2) == 0
	return func(s *simulation) { s.cut(shape, hard) }
}

func (s *simulation) cut(to shape, hard bool) {
	s.tell("links are %s, hard %v", to.name, hard)
	s.links.set(len(s.machines), to.blocked)
	if hard {
		s.fabric.sever(false)
	}
}
