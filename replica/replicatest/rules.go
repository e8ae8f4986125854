package replicatest

import (
	"slices"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// signers sign what simulations publish; strangers' keys are in no policy.
var signers, stranger = []*trust.Signer{trusttest.Signer(1), trusttest.Signer(2)}, trusttest.Signer(3)

// rule says what one policy of a simulation admits, in the words of the simulation: it is what the
// verdicts of package trust are checked against.
type rule struct {
	may    map[string][]int // which signers, by name
	spaces bool             // each member may sign in its part of the namespace, if there is a network
	latest trust.Version    // of the name "a"; zero: any
	ahead  time.Duration    // max_future; zero: any
	policy *trust.Policy
	keys   map[trust.Name][]trust.Key

	signs   bool        // may the signers sign policy.toml
	revoked []trust.Key // by a policy.toml
}

func (r *rule) allow(s signed) bool {
	if s.name == policyName {
		return r.signs && slices.Contains(keysOf([]int{0, 1}), s.signer)
	}
	if slices.Contains(r.revoked, s.signer) {
		return false
	}
	if _, member, ok := r.policy.Namespace(s.name); ok {
		return member == s.signer
	}
	if r.latest > 0 && s.name.String() == "a" && s.version > r.latest {
		return false
	}
	return slices.Contains(r.keys[s.name], s.signer)
}

// newRules makes the policies that the nodes of a simulation have at times, of a network or of none.
func newRules(start time.Time, network trust.Key, travels bool) ([]*rule, error) {
	both, one, other := []int{0, 1}, []int{0}, []int{1}
	rules := []*rule{
		{may: map[string][]int{"a": both, "b": both, "dns/c": both}, spaces: true},
		{may: map[string][]int{"a": both, "dns/c": both}},
		{may: map[string][]int{"a": one, "b": other, "dns/c": both}, spaces: true},
		{may: map[string][]int{"a": one, "b": one, "dns/c": one}},
		{may: map[string][]int{"a": both, "b": both}, latest: trust.VersionAt(start.Add(time.Minute))},
		{may: map[string][]int{"a": both, "b": both, "dns/c": both}, ahead: time.Hour, spaces: true},
	}
	for i, r := range rules {
		r.signs = travels && i != 3
		if err := r.make(network); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

func (r *rule) make(network trust.Key) (err error) {
	files := make(map[trust.Name][]trust.PublicKey)
	r.keys = make(map[trust.Name][]trust.Key)
	bounds := make(map[trust.Name]trust.Bounds)
	for text, who := range r.may {
		n, err := trust.ParseName(text)
		if err != nil {
			return err
		}
		for _, i := range who {
			files[n] = append(files[n], signers[i].Public())
			r.keys[n] = append(r.keys[n], signers[i].Public().Key)
		}
		if text == "a" && r.latest > 0 {
			bounds[n] = trust.Bounds{NotAfter: r.latest}
		}
	}
	rules := trust.Rules{Network: network, Files: files, Bounds: bounds, MaxFuture: r.ahead}
	if r.signs {
		rules.PolicySigners = []trust.PublicKey{signers[0].Public(), signers[1].Public()}
	}
	if r.spaces && !network.IsZero() {
		rules.Namespaces = []string{space}
	}
	r.policy, err = trust.NewPolicy(rules)
	return err
}
