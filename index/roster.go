package index

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"dmfs/trust"
)

// A roster is whose certificates are known. It is replaced, never modified.
type roster struct {
	byKey  map[trust.Key]member
	byName func() []trust.Member // whom the policy accepted, though it may be over, in the order of Members
}

func newRoster(byKey map[trust.Key]member) roster {
	return roster{byKey, sync.OnceValue(func() []trust.Member { return sortMembers(byKey) })}
}

func sortMembers(byKey map[trust.Key]member) []trust.Member {
	all := make([]trust.Member, 0, len(byKey))
	for _, m := range byKey {
		if !m.facts.Key.IsZero() {
			all = append(all, m.facts)
		}
	}
	slices.SortFunc(all, func(a, b trust.Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.Issued.Compare(a.Issued), bytes.Compare(b.Key[:], a.Key[:]))
	})
	return all
}

// Members returns whom the policy in force accepts now, as far as their certificates are known,
// sorted by name. Of those of one name the first one wins it: the latest issued, then the one with the
// greatest key.
func (ix *Index) Members() []trust.Member { return ix.prover().live() }

// live returns the members whose certificates are not over.
func (p prover) live() []trust.Member {
	return slices.DeleteFunc(slices.Clone(p.members.byName()), p.lapsed)
}

// Named returns the first one of Members that has a name.
func (ix *Index) Named(name string) (trust.Member, bool) {
	p := ix.prover()
	all := p.members.byName()
	from, _ := slices.BinarySearchFunc(all, name, func(m trust.Member, name string) int { return cmp.Compare(m.Name, name) })
	for _, m := range all[from:] {
		if m.Name != name {
			break
		}
		if !p.lapsed(m) {
			return m, true
		}
	}
	return trust.Member{}, false
}

func (p prover) lapsed(m trust.Member) bool { return !p.now.Before(m.NotAfter) }

// Certificate returns the certificate that is known of a key, though it may be over or revoked.
func (ix *Index) Certificate(k trust.Key) (trust.Chain, bool) {
	m, ok := ix.prover().members.byKey[k]
	return m.chain, ok
}
