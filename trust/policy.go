package trust

import (
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits of one policy; together they bound what a hostile signature can cost.
const (
	maxNames       = 1 << 16 // declared names; also bounds, revoked keys and revoked certificates
	maxKeys        = 64      // keys of one name
	maxOthers      = 64      // keys that are tried to explain a refusal: with the right id, and without
	maxNamespaces  = 1 << 10
	maxAuthorities = 64 // certificates in all chains
)

// A Policy says who may sign what. It is immutable and safe for concurrent use.
type Policy struct {
	rules     Rules
	base      *Policy // nil: this is no amended one
	overruled []string

	network        Key
	files          map[Name][]PublicKey // with policy.toml
	names          []Name
	namespaces     []string
	dirs           []string
	keys           []PublicKey // of all names, each once
	byID           map[uint64][]PublicKey
	authorities    []*x509.Certificate
	revokedKeys    map[Key]bool
	revokedSerials map[string]bool
	skew           time.Duration
}

// NewPolicy checks the rules and copies them. It refuses a file or namespace that is, or is a
// directory of, another, or that is named as the travelling policy ([ErrName]); a name without keys
// or with a key that nobody can have, namespaces without a network, and whatever else makes no sense
// ([ErrMalformed]); and more than 65,536 names, 64 keys for one, 1,024 namespaces, 64 certificates
// of authorities, or 65,536 bounds or revocations ([ErrTooLarge]).
func NewPolicy(r Rules) (*Policy, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	p := &Policy{
		network: r.Network,
		files:   make(map[Name][]PublicKey, len(r.Files)+1),
		byID:    make(map[uint64][]PublicKey),
		skew:    r.ClockSkew,
	}
	if p.skew == 0 {
		p.skew = defaultSkew
	}
	for _, step := range []func(Rules) error{p.declareFiles, p.layOut, p.authorise, p.revoke} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	p.rules = r.clone(p.files)
	return p, nil
}

// declareFiles takes the names and their keys.
func (p *Policy) declareFiles(r Rules) error {
	known := make(map[PublicKey]bool)
	for _, n := range sortedNames(r.Files) {
		if err := checkReserved(n); err != nil {
			return err
		}
		if err := p.declare(n, r.Files[n], known); err != nil {
			return err
		}
	}
	if len(r.PolicySigners) > 0 {
		if err := p.declare(policyName, r.PolicySigners, known); err != nil {
			return err
		}
	}
	p.names = sortedNames(p.files)
	return nil
}

// declare takes one name and its keys.
func (p *Policy) declare(n Name, keys []PublicKey, known map[PublicKey]bool) error {
	switch {
	case n.IsZero():
		return refuse(ErrName, "the name is empty")
	case len(keys) == 0:
		return refuse(ErrMalformed, "%s has no keys: nobody could sign it", n).hinting("list the public keys that may sign it")
	case len(keys) > maxKeys:
		return refuse(ErrTooLarge, "%s has %d keys, more than %d", n, len(keys), maxKeys)
	}
	for _, k := range keys {
		if known[k] {
			continue
		}
		if fault := pointFault(k.Key); fault != "" {
			return refuse(ErrMalformed, "%s: key %s %s", n, k.Key, fault)
		}
		known[k] = true
		p.keys = append(p.keys, k)
		p.byID[k.ID] = append(p.byID[k.ID], k)
	}
	p.files[n] = slices.Clone(keys)
	return nil
}

// layOut takes the namespaces, finds the directories and refuses whatever is in the way of another.
func (p *Policy) layOut(r Rules) error {
	for _, ns := range r.Namespaces {
		if err := checkNamespace(ns); err != nil {
			return err
		}
	}
	p.namespaces = slices.Sorted(slices.Values(r.Namespaces))
	dirs, upper, lower := plan(p.names, p.namespaces)
	if upper != "" {
		return clash(upper, lower, slices.Contains(p.namespaces, upper))
	}
	p.dirs = dirs
	return nil
}

// plan lists the directories above all names, namespaces included, sorted. When a name or namespace
// is in the way of another, it names the two instead, the upper one first.
func plan(names []Name, namespaces []string) (dirs []string, upper, lower string) {
	declared, above := make(map[string]bool), make(map[string]bool)
	all := slices.Clone(namespaces)
	for _, n := range names {
		all = append(all, n.text)
	}
	for _, s := range all {
		if declared[s] {
			return nil, s, s
		}
		declared[s] = true
	}
	for _, s := range all {
		for dir := (Name{s}).Dir(); dir != "" && !above[dir]; dir = (Name{dir}).Dir() {
			above[dir] = true
			if declared[dir] {
				return nil, dir, s
			}
		}
	}
	for _, ns := range namespaces {
		above[ns] = true
	}
	return slices.Sorted(maps.Keys(above)), "", ""
}

// clash explains what plan found.
func clash(upper, lower string, namespace bool) *Refusal {
	switch {
	case upper == lower:
		return refuse(ErrName, "%s is declared twice", upper)
	case namespace:
		return refuse(ErrName, "%s cannot be declared: %s is a namespace", lower, upper).hinting("rename one of the two")
	}
	return refuse(ErrName, "%s cannot be a file: %s is below it", upper, lower).hinting("rename one of the two")
}

// authorise takes the certificates of authorities.
func (p *Policy) authorise(r Rules) error {
	for _, chain := range r.Authorities {
		for _, c := range chain.certificates {
			if !authority(c) {
				return refuse(ErrMalformed, "the certificate of %s is no authority's", subject(c))
			}
			p.authorities = append(p.authorities, c)
		}
	}
	if len(p.authorities) > maxAuthorities {
		return refuse(ErrTooLarge, "%d certificates of authorities are more than %d", len(p.authorities), maxAuthorities)
	}
	return nil
}

// revoke takes the revocations. A network whose own key is not to be trusted is none.
func (p *Policy) revoke(r Rules) error {
	p.revokedKeys, p.revokedSerials = make(map[Key]bool), make(map[string]bool)
	for _, k := range r.RevokedKeys {
		if k.IsZero() || k == p.network {
			return refuse(ErrMalformed, "the network's own key cannot be revoked").hinting("make a new network")
		}
		p.revokedKeys[k] = true
	}
	for _, s := range r.RevokedCertificates {
		serial, ok := parseSerial(s)
		if !ok {
			return refuse(ErrMalformed, "%s is not a serial number in hexadecimal", shown(s)).hinting("see: dmfs certificate show")
		}
		p.revokedSerials[serial] = true
	}
	return nil
}

// sortedNames returns the names of a table in order.
func sortedNames[V any](table map[Name]V) []Name {
	return slices.SortedFunc(maps.Keys(table), func(a, b Name) int { return strings.Compare(a.text, b.text) })
}

// Admits reports whether the policy has an entry for the name: one of its own, or a namespace in
// which it is a member's.
func (p *Policy) Admits(n Name) bool {
	if _, ok := p.files[n]; ok {
		return true
	}
	_, _, ok := p.Namespace(n)
	return ok
}

// Names returns the declared names, sorted; policy.toml among them when it has signers. Names in
// namespaces are not declared.
func (p *Policy) Names() []Name { return slices.Clone(p.names) }

// Dirs returns every namespace and every directory above one or above a declared name, sorted, so
// that parents come first.
func (p *Policy) Dirs() []string { return slices.Clone(p.dirs) }

// Network returns the network's id, zero for none.
func (p *Policy) Network() Key { return p.network }

// ClockSkew returns how far apart the clocks of two nodes may be, [Rules.ClockSkew] or 30 s.
func (p *Policy) ClockSkew() time.Duration { return p.skew }

// MaxFuture returns how far ahead of the clock a version may be, [Rules.MaxFuture]; zero is no limit.
// One that is further ahead is admitted from its time less this on.
func (p *Policy) MaxFuture() time.Duration { return p.rules.MaxFuture }
