package replicatest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// amendment is what one policy.toml says, in the words of the simulation.
type amendment struct {
	adds    map[string][]int // which signers, by name
	revoked []trust.Key
}

// amendments are the travelling policies of schedules; the first one is none. The names that they add come, go and
// are somebody else's; "b" is a local one for some. The last one revokes the outcast.
func amendments() []amendment {
	return []amendment{
		{},
		{adds: map[string][]int{"motd": {1}, "facts": {0}}},
		{adds: map[string][]int{"motd": {0, 1}, "b": {1}}},
		{adds: map[string][]int{"motd": {0, 1}, "facts": {0, 1}}, revoked: []trust.Key{signers[1].Public().Key}},
		{adds: map[string][]int{"motd": {1}}, revoked: []trust.Key{trusttest.Signer(identity + outcast).Public().Key}},
	}
}

// added are the names that no configuration has.
var added = []string{"motd", "facts"}

// outcast is the machine whose key is revoked at times, or whose certificate ends.
const outcast = 1

// text is the amendment as policy.toml has it.
func (a amendment) text() []byte {
	var b strings.Builder
	b.WriteString("[files]\n")
	for _, name := range slices.Sorted(maps.Keys(a.adds)) {
		fmt.Fprintf(&b, "%q = [ %s ]\n", name, quoted(keysOf(a.adds[name])))
	}
	fmt.Fprintf(&b, "[revoked]\nkeys = [ %s ]\n", quoted(a.revoked))
	return []byte(b.String())
}

func quoted(keys []trust.Key) string {
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%q", k))
	}
	return strings.Join(all, ", ")
}

func keysOf(who []int) (keys []trust.Key) {
	for _, i := range who {
		keys = append(keys, signers[i].Public().Key)
	}
	return keys
}

// amended is a rule that an amendment amends: it adds what is not there, and revokes.
func (r *rule) amended(a amendment) (*rule, error) {
	text, err := trust.ParseAmendment(a.text())
	if err != nil {
		return nil, err
	}
	all := *r
	all.revoked, all.keys = a.revoked, maps.Clone(r.keys)
	for name, who := range a.adds {
		n, err := trust.ParseName(name)
		if err != nil {
			return nil, err
		}
		if _, local := r.keys[n]; !local {
			all.keys[n] = keysOf(who)
		}
	}
	all.policy, err = r.policy.Amend(text)
	return &all, err
}

// amendAll makes, behind the rules of configurations, those that amendments make of them.
func (s *simulation) amendAll() error {
	s.configured = len(s.rules)
	if !s.plan.travels {
		return nil
	}
	s.amendments = amendments()
	for _, a := range s.amendments[1:] {
		s.texts = append(s.texts, trust.DigestOf(a.text()))
		for _, r := range s.rules[:s.configured] {
			amended, err := r.amended(a)
			if err != nil {
				return err
			}
			s.rules = append(s.rules, amended)
		}
	}
	for _, name := range added {
		n, err := trust.ParseName(name)
		if err != nil {
			return err
		}
		s.names = append(s.names, n)
	}
	return nil
}

// configuration is the rule of a machine without policy.toml.
func (s *simulation) configuration(m *machine) int { return m.ruled() % s.configured }

// due is the rule that has to be in force where a configuration is and this index.
func (s *simulation) due(ix *index.Index, configured int) int {
	e, ok := ix.Get(policyName)
	if !ok || !e.Shown || !s.rules[configured].allow(signedOf(e.Record)) {
		return configured
	}
	return configured + s.configured*(1+slices.Index(s.texts, e.Record.Digest()))
}

// policyName is the name of the travelling policy.
var policyName, _ = trust.ParseName(trust.PolicyName)

// enact puts a configuration in force on a machine, with the policy.toml that it holds, as cmd/dmfs does.
func (s *simulation) enact(m *machine, configured int) error {
	m.enacting.Lock()
	defer m.enacting.Unlock()
	if configured == asBefore {
		configured = s.configuration(m)
	}
	to := s.due(m.index, configured)
	if m.ruled() == to && m.index.Policy() == s.rules[to].policy {
		return nil
	}
	m.rule(to)
	if err := m.index.SetPolicy(s.rules[to].policy); err != nil {
		return err
	}
	if r := m.running.Load(); r != nil {
		r.PolicyChanged()
	}
	return nil
}

const asBefore = -1

// reopened checks that an index that was opened with the configuration has policy.toml in force.
func (s *simulation) reopened(m *machine) error {
	to := s.due(m.index, s.configuration(m))
	if got, want := fmt.Sprint(m.index.Policy().Names()), fmt.Sprint(s.rules[to].policy.Names()); got != want {
		s.fail("node %d starts with %s by policy %d, which has %s", m.number, got, to, want)
	}
	return s.enact(m, asBefore)
}

// follow has a policy.toml come into force that changed.
func (s *simulation) follow(m *machine, e index.Entry) {
	if e.Name != policyName {
		return
	}
	if err := s.enact(m, asBefore); err != nil && !errors.Is(err, os.ErrClosed) {
		s.fail("node %d does not take policy.toml: %v", m.number, err)
	}
}

// amending has one of the policy's signers publish a policy.toml, or delete it.
func (p *planner) amending(i int) func(*simulation) {
	which, signer, equal := p.IntN(5), p.IntN(2), p.IntN(5) == 0
	if which == 4 && !p.members {
		which = 1
	}
	return func(s *simulation) {
		m := s.machines[i]
		if m.replica == nil {
			return
		}
		st := trust.Statement{Name: policyName, Version: trust.VersionAt(time.Now()), Deleted: which == 0}
		if equal {
			st.Version = trust.VersionAt(epoch)
		}
		var content []byte
		if which > 0 {
			content = s.amendments[which].text()
		}
		s.tell("policy.toml %d", which)
		s.publish(m, publisher{Signer: signers[signer]}, st, content)
	}
}
