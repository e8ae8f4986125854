package replica

import (
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"

	"dmfs/replica/internal/wire"
)

// baitEvery is how many comparisons it takes, on average, until a peer is tried again.
const baitEvery = 64

var errEcho = errors.New("the peer says that it holds what nobody holds")

// bait is a root that there is not, shown to a peer in place of ours. It learns nothing of us then, and we as much
// of it as ever: an honest one says what it holds, whatever it hears, and compares once more. One that says
// what it hears, so that nobody finds anything new at it, is caught. Each session begins with one, and others
// come by chance. Nobody but who has heard our last report can tell it from our root.
type bait struct {
	root wire.Hash
	set  bool
}

// baitFor returns what a peer is shown, which mostly is our root.
func baitFor(m *member, ours wire.Hash) bait {
	b := bait{ours, m.untried.Load() || mathrand.N(baitEvery) == 0}
	if b.set {
		rand.Read(b.root[:]) // never fails
	}
	return b
}

// answered notes what the peer says that it holds. Who was caught is tried each time.
func (b bait) answered(m *member, theirs wire.Hash) error {
	if !b.set {
		return nil
	}
	m.untried.Store(theirs == b.root)
	if theirs == b.root {
		return errEcho
	}
	return nil
}
