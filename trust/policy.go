package trust

import (
	"maps"
	"slices"
	"strings"
)

// Limits of one policy; together they bound what a hostile signature can cost.
const (
	maxNames  = 1 << 16 // declared names
	maxKeys   = 64      // keys of one name
	maxOthers = 64      // keys that are tried to explain a refusal: with the right id, and without
)

// Rules are what a configuration says about trust.
type Rules struct {
	Network Key                  // zero: none
	Files   map[Name][]PublicKey // who may sign each name: 1 to 64 keys
}

// A Policy says who may sign what. It is immutable and safe for concurrent use.
type Policy struct {
	network Key
	files   map[Name][]PublicKey
	names   []Name
	dirs    []string
	keys    []PublicKey // of all names, each once
	byID    map[uint64][]PublicKey
}

// NewPolicy checks the rules and copies them. It refuses a name that is a directory of another
// ([ErrName]), a name without keys or with a key that nobody can have ([ErrMalformed]), and more
// than 65,536 names or 64 keys for one ([ErrTooLarge]).
func NewPolicy(r Rules) (*Policy, error) {
	if len(r.Files) > maxNames {
		return nil, refuse(ErrTooLarge, "%d names are more than %d", len(r.Files), maxNames)
	}
	p := &Policy{
		network: r.Network,
		files:   make(map[Name][]PublicKey, len(r.Files)),
		byID:    make(map[uint64][]PublicKey),
	}
	p.names = slices.SortedFunc(maps.Keys(r.Files), func(a, b Name) int { return strings.Compare(a.text, b.text) })
	known := make(map[PublicKey]bool)
	for _, n := range p.names {
		if err := p.declare(n, r.Files[n], known); err != nil {
			return nil, err
		}
	}
	if err := p.layOut(); err != nil {
		return nil, err
	}
	return p, nil
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

// layOut finds the directories and refuses a name that is one of them.
func (p *Policy) layOut() error {
	dirs := make(map[string]bool)
	for _, n := range p.names {
		for dir := (Name{n.Dir()}); !dir.IsZero() && !dirs[dir.text]; dir = (Name{dir.Dir()}) {
			dirs[dir.text] = true
			if p.Admits(dir) {
				return refuse(ErrName, "%s cannot be a file: %s is below it", dir, n).hinting("rename one of the two")
			}
		}
	}
	p.dirs = slices.Sorted(maps.Keys(dirs))
	return nil
}

// Admits reports whether the policy has an entry for the name.
func (p *Policy) Admits(n Name) bool {
	_, ok := p.files[n]
	return ok
}

// Names returns the declared names, sorted.
func (p *Policy) Names() []Name { return slices.Clone(p.names) }

// Dirs returns every directory above an admitted name, sorted, so that parents come first.
func (p *Policy) Dirs() []string { return slices.Clone(p.dirs) }

// Network returns the network's id, zero for none.
func (p *Policy) Network() Key { return p.network }
