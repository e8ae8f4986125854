package replicatest

import (
	"encoding/base64"
	"errors"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// space is the namespace of simulated networks, and authority who certifies their members.
const space = "space"

var authority = trusttest.Signer(500)

// network is the key of the schedule's network, zero when it has none.
func (p *plan) network() trust.Key {
	if !p.members {
		return trust.Key{}
	}
	return authority.Public().Key
}

// own is the name in the namespace that belongs to a machine.
func own(number int) (trust.Name, error) {
	key := trusttest.Signer(identity + number).Public().Key
	return trust.ParseName(space + "/" + base64.RawURLEncoding.EncodeToString(key[:]) + "/own")
}

// certify gives each machine a certificate, and has what it may publish compared.
func (s *simulation) certify() error {
	for _, m := range s.machines {
		if err := m.certify(s.plan.endOf(m.number)); err != nil {
			return err
		}
		name, err := own(m.number)
		if err != nil {
			return err
		}
		s.names = append(s.names, name)
		m.config.Network, m.config.Certificate = s.plan.network(), m.certificate
	}
	return nil
}

// ownPublication has a member sign something in its own part of the namespace, at its own machine or, with a copy
// of its key and its certificate, at another one.
func (p *planner) ownPublication(i int) func(*simulation) { return p.publicationOf(p.IntN(p.nodes), i) }

func (p *planner) publicationOf(whose, i int) func(*simulation) {
	content, deleted, nth := p.content(), p.IntN(5) == 0, p.IntN(3)
	again := p.IntN(4) == 0
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica == nil {
			return
		}
		name, err := own(whose)
		s.must(err)
		st := trust.Statement{Name: name, Version: trust.VersionAt(time.Now()), Deleted: deleted}
		if again { // equal timestamps
			st.Version = trust.VersionAt(epoch) + trust.Version(nth)*trust.Version(20*time.Second)
		}
		if deleted {
			content = nil
		}
		s.publish(m, publisher{trusttest.Signer(identity + whose), s.machines[whose].certificate()}, st, content)
	}
}

// publisher is who signs, and what proves that it may.
type publisher struct {
	*trust.Signer
	chain trust.Chain // zero: the key alone
}

// out reports whether a machine is no member any more for some, who do not have to tell it anything.
func (s *simulation) out(m *machine) bool {
	return m.number == outcast && s.plan.members && (s.plan.travels || s.mortal())
}

// mortal reports whether the outcast's certificate ends, or has ended.
func (s *simulation) mortal() bool { return s.plan.ends > 0 && !s.renewed.Load() }

// ofMortal reports whether a name's files come and go with the outcast's certificate.
func (s *simulation) ofMortal(n trust.Name) bool {
	theirs, err := own(outcast)
	return err == nil && s.plan.ends > 0 && n == theirs
}

// forgotten reports whether the outcast withholds what it signed, though it is a member again.
func (s *simulation) forgotten(m *machine, n trust.Name) bool {
	e, ok := m.index.Get(n)
	_, _, admitted := m.index.Policy().Namespace(n)
	return m.number == outcast && s.ofMortal(n) && !s.mortal() && admitted && ok && e.Record.IsZero()
}

// endOf is when a machine's first certificate ends: one that may end, or any other whatever the clocks say.
func (p *plan) endOf(number int) time.Time {
	if number == outcast && p.ends > 0 {
		return epoch.Add(p.ends)
	}
	return never
}

// never is behind all that clocks say.
var never = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// certify gives the machine a certificate that is valid until some moment.
func (m *machine) certify(end time.Time) error {
	chain, err := authority.Certify(trust.CertificateSpec{
		Name: m.name(), Key: trusttest.Signer(identity + m.number).Public().Key,
		NotBefore: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: end,
	}, trust.Chain{})
	m.chain.Store(&chain)
	return err
}

// learn has a machine know its own certificate, unless that is revoked.
func (s *simulation) learn(m *machine) {
	if err := m.index.Learn(m.certificate()); !errors.Is(err, trust.ErrRevoked) {
		s.must(err)
	}
}

// renewal gives the outcast a certificate that does not end.
func (p *planner) renewal() func(*simulation) {
	return func(s *simulation) {
		m := s.machines[outcast]
		s.tell("node %d has a new certificate", outcast)
		s.must(m.certify(never))
		s.renewed.Store(true)
		if m.replica != nil {
			s.learn(m)
			m.replica.Renewed()
		}
	}
}
