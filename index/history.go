package index

import (
	"slices"

	"dmfs/trust"
)

// DefaultHistory is how many versions of each name are kept when nobody says otherwise.
const DefaultHistory = 3

// SetHistory says how many versions of each name are kept, the held one included, at least one. A
// name that has more loses them when it changes next.
func (ix *Index) SetHistory(versions int) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.limits.versions = max(1, versions)
}

// History returns the newest versions of a name, the newest first and as many as are kept: those
// that the policy in force admits, the held one and ones whose lifetime is over among them, but no
// tombstones and none that was over when it came. Their contents are here until the name changes twice; Pin them to keep them longer.
func (ix *Index) History(n trust.Name) []Stored {
	ix.mu.RLock()
	f, most := ix.files[n], ix.limits.versions
	ix.mu.RUnlock()
	if f == nil {
		return nil
	}
	var versions []Stored
	p := ix.prover()
	for _, c := range recent(f.changes(), most) {
		if !p.prove(c).record.IsZero() && !c.deleted && !c.absent {
			versions = append(versions, c.stored())
		}
	}
	return versions
}

// A versionID tells versions of one name apart.
type versionID struct {
	version trust.Version
	digest  trust.Digest
}

// recent returns the newest change of each of the newest versions, the newest first.
func recent(changes []*change, versions int) (newest []*change) {
	seen := map[versionID]bool{}
	for _, c := range slices.Backward(changes) {
		id := versionID{c.version, c.digest}
		if len(newest) < versions && !seen[id] {
			seen[id] = true
			newest = append(newest, c)
		}
	}
	return newest
}

// trim returns the file without the superseded changes that nothing needs, and those. What stays is
// the newest changes, the newest one of each recent version, what is pinned, and what these need.
func (f *file) trim(versions int, pinned func(seq uint64) bool) (*file, []*change) {
	if len(f.past) < versions {
		return f, nil
	}
	needs := needs{changes: f.changes(), found: map[uint64]bool{}}
	for i, c := range slices.Backward(needs.changes) {
		if len(f.past)-i < versions || pinned(c.seq) {
			needs.add(c)
		}
	}
	for _, c := range recent(needs.changes, versions) {
		needs.add(c)
	}
	var kept, dropped []*change
	for _, c := range f.past {
		if needs.found[c.seq] {
			kept = append(kept, c)
		} else {
			dropped = append(dropped, c)
		}
	}
	if len(dropped) == 0 {
		return f, nil
	}
	trimmed := *f
	trimmed.past = kept
	return &trimmed, dropped
}

// needs are the changes of a name that have to stay.
type needs struct {
	changes []*change
	found   map[uint64]bool
}

// add adds a change, its inode, and what remembers that its lifetime is over.
func (s *needs) add(c *change) {
	if s.found[c.seq] {
		return
	}
	s.found[c.seq] = true
	for _, other := range s.changes {
		if other.seq == c.inode || other.expired && other.version == c.version {
			s.add(other)
		}
	}
}
