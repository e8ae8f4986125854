package replica

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	fullMesh   = 64 // peers that we keep connected to, all of them
	fewChosen  = 8  // of more than that: so many at least, chosen by chance,
	someChosen = 12 // and so many when we choose
	maxFailed  = 4  // dials of a chosen peer before another one is chosen
	meshEvery  = 30 * time.Second
)

// keepMesh has us connected to peers that nobody configured: to all of them in a small network, to some in
// a large one.
func (r *Replica) keepMesh() {
	r.dialLapsed()
	for {
		r.introduce()
		r.book.sweep(r.judgeContact)
		r.caughtUp()
		for _, m := range r.members.connected(true) {
			r.book.meet(m.id, r.now())
		}
		r.choose()
		r.remember(false)
		select {
		case <-r.ctx.Done():
			return
		case <-r.mesh:
		case <-time.After(meshEvery):
		}
	}
}

// judgeContact reports whether a contact is one of a member now, and by what proof.
func (r *Replica) judgeContact(c contact) (proof, bool) {
	if r.admission == nil || c.id == r.host.ID() {
		return c.proof, true
	}
	if c.proof.policy == r.ix.Policy() && r.now().Before(c.proof.member.NotAfter) {
		return c.proof, true
	}
	c, err := r.certifiedContact(c)
	return c.proof, err == nil
}

// choose has peers dialled as long as there are too few.
func (r *Replica) choose() {
	var known, chosen []peer.ID
	for _, c := range r.book.all() {
		if c.id != r.host.ID() {
			known = append(known, c.id)
		}
	}
	small := len(known) <= fullMesh
	for _, m := range r.members.all() {
		hopeless := !small && m.failed.Load() >= maxFailed || !slices.Contains(known, m.id)
		switch {
		case !m.chosen.Load():
		case hopeless && m.dialed == nil && m.current() == nil:
			r.members.remove(m)
		default:
			chosen = append(chosen, m.id)
		}
	}
	for _, id := range pick(known, chosen) {
		m, fresh := r.members.add(id, nil)
		m.chosen.Store(true)
		if fresh {
			r.spawn(func() { r.live(m) })
		}
	}
}

// pick returns which of the known peers are to be chosen, beside those that are.
func pick(known, chosen []peer.ID) []peer.ID {
	others := slices.DeleteFunc(slices.Clone(known), func(id peer.ID) bool { return slices.Contains(chosen, id) })
	if len(known) <= fullMesh {
		return others
	}
	if len(chosen) >= fewChosen {
		return nil
	}
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	return others[:min(len(others), someChosen-len(chosen))]
}
