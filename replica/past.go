package replica

import (
	"time"

	"dmfs/replica/internal/wire"
)

const maxPast = 1024 // roots remembered

// past is which root our own tree had when. Whoever has a root of our past has all of our changes up to
// then.
type past struct {
	moments map[wire.Hash]moment
	roots   [maxPast]wire.Hash // a ring
	next    int
}

// moment is a state of our index.
type moment struct {
	seq   uint64
	since time.Time
}

// add notes that the tree has a root as of a change, in the place of the root that came first.
func (p *past) add(root wire.Hash, at moment) {
	if p.moments == nil {
		p.moments = make(map[wire.Hash]moment)
	}
	if _, known := p.moments[root]; !known {
		delete(p.moments, p.roots[p.next])
		p.roots[p.next] = root
		p.next = (p.next + 1) % maxPast
	}
	p.moments[root] = at
}

// when returns the last moment at which the tree had a root. Nothing at all is what it had at first.
func (p *past) when(root wire.Hash) (moment, bool) {
	at, ok := p.moments[root]
	return at, ok || root == (wire.Hash{})
}
