package trust

import (
	"maps"
	"slices"
	"strings"
)

const (
	// PolicyName is the name of the travelling policy.
	PolicyName = "policy.toml"
	// maxPolicy is the length of the longest travelling policy, in bytes.
	maxPolicy = 1 << 20
)

// policyName is PolicyName, parsed.
var policyName = Name{PolicyName}

// An Amendment is a parsed travelling policy: what it adds and revokes. The zero Amendment is empty.
// An Amendment is immutable.
type Amendment struct {
	files          map[Name][]PublicKey
	namespaces     []string
	namespacesLine int
	revokedKeys    []Key
	revokedSerials []string
	bounds         map[Name]Bounds
}

// Base returns the local policy that p was amended from, or p itself.
func (p *Policy) Base() *Policy {
	if p.base == nil {
		return p
	}
	return p.base
}

// Amend returns the local policy of p with the amendment in force; an earlier one is no longer. It
// admits the files and namespaces that are added and revokes what is revoked. It never changes who
// signs the travelling policy, and never overrules the local policy: an entry that would is passed
// over, and [Policy.Overruled] names it.
//
// Errors are those of [NewPolicy], and [ErrMalformed] for a namespace where there is no network.
func (p *Policy) Amend(a Amendment) (*Policy, error) {
	base := p.Base()
	if len(a.namespaces) > 0 && base.network.IsZero() {
		return nil, atLine(a.namespacesLine, refuse(ErrMalformed, "namespaces need a network, and this node has none"))
	}
	r := base.rules
	overruled := slices.Concat(r.addFiles(base, a), r.addNamespaces(base, a), r.addBounds(a), r.addRevoked(a))
	q, err := NewPolicy(r)
	if err != nil {
		return nil, err
	}
	q.base, q.overruled = base, overruled
	return q, nil
}

// Overruled returns what of the amendment the local policy passed over, as table and entry, such
// as `[files] "config.json"`.
func (p *Policy) Overruled() []string { return slices.Clone(p.overruled) }

// addFiles adds the files that the local policy leaves room for.
func (r *Rules) addFiles(base *Policy, a Amendment) (overruled []string) {
	r.Files = maps.Clone(r.Files)
	for n, keys := range a.files {
		if slices.Equal(base.files[n], keys) {
			continue
		}
		if base.taken(n.text) {
			overruled = append(overruled, "[files] "+shown(n.text))
			continue
		}
		r.Files[n] = keys
	}
	slices.Sort(overruled)
	return overruled
}

// addNamespaces does the same for namespaces; one that both declare is no conflict.
func (r *Rules) addNamespaces(base *Policy, a Amendment) (overruled []string) {
	r.Namespaces = slices.Clone(r.Namespaces)
	for _, ns := range a.namespaces {
		switch {
		case slices.Contains(base.namespaces, ns):
		case base.taken(ns):
			overruled = append(overruled, "[network] "+shown(ns))
		default:
			r.Namespaces = append(r.Namespaces, ns)
		}
	}
	return overruled
}

// addBounds adds the bounds of names that have none locally.
func (r *Rules) addBounds(a Amendment) (overruled []string) {
	r.Bounds = maps.Clone(r.Bounds)
	if r.Bounds == nil {
		r.Bounds = make(map[Name]Bounds, len(a.bounds))
	}
	for n, b := range a.bounds {
		if local, ok := r.Bounds[n]; ok && local != b {
			overruled = append(overruled, "[bounds] "+shown(n.text))
			continue
		}
		r.Bounds[n] = b
	}
	slices.Sort(overruled)
	return overruled
}

// addRevoked adds revocations. Without the network's key there would be no members left to send
// the correction: it stays.
func (r *Rules) addRevoked(a Amendment) (overruled []string) {
	r.RevokedKeys = slices.Clone(r.RevokedKeys)
	for _, k := range a.revokedKeys {
		if k == r.Network {
			overruled = append(overruled, "[revoked] "+shown(k.String()))
			continue
		}
		r.RevokedKeys = append(r.RevokedKeys, k)
	}
	r.RevokedCertificates = slices.Concat(r.RevokedCertificates, a.revokedSerials)
	return overruled
}

// taken reports whether an entry of this policy is the name, below it or above it.
func (p *Policy) taken(name string) bool {
	_, dir := slices.BinarySearch(p.dirs, name) // of a file or namespace, which is below
	if dir || p.declares(name) {
		return true
	}
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		if p.declares(name[:i]) {
			return true
		}
	}
	return false
}

// declares reports whether the name has an entry of its own.
func (p *Policy) declares(name string) bool {
	_, file := p.files[Name{name}]
	_, namespace := slices.BinarySearch(p.namespaces, name)
	return file || namespace
}

// judgePolicy parses a travelling policy as this one would take it.
func (p *Policy) judgePolicy(content []byte) error {
	a, err := ParseAmendment(content)
	if err == nil {
		_, err = p.Amend(a)
	}
	return err
}
