package replica

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxFailed = 3 // vain dials of a chosen peer before another one is chosen
	meshEvery = 30 * time.Second
)

// crowd says how many peers we keep connected to.
type crowd struct {
	all  int // of so many, to all of them
	few  int // of more than that, to so many at least, chosen by chance,
	some int // and so many are chosen then
}

var usual = crowd{all: 64, few: 8, some: 12}

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
	lost := make(map[peer.ID]bool)
	for _, c := range r.book.all() {
		if c.id != r.host.ID() {
			known = append(known, c.id)
			lost[c.id] = c.lost.After(c.met)
		}
	}
	for _, m := range r.members.all() {
		switch {
		case !m.chosen.Load():
		case r.giveUp(m, known):
			lost[m.id] = true
		default:
			chosen = append(chosen, m.id)
		}
	}
	for _, id := range r.crowd.pick(known, chosen, lost) {
		m, fresh := r.members.add(id, nil)
		m.chosen.Store(true)
		if fresh {
			r.spawn(func() { r.live(m) })
		}
	}
}

// giveUp takes back a choice: the peer is none of those known any more or, as there are enough others, it
// was dialled in vain. It is dialled on only if the configuration names it.
func (r *Replica) giveUp(m *member, known []peer.ID) bool {
	vain := len(known) > r.crowd.all && m.failed.Load() >= maxFailed
	if m.current() != nil || slices.Contains(known, m.id) && !vain {
		return false
	}
	r.book.giveUp(m.id, r.now())
	m.chosen.Store(false)
	if m.dialed == nil {
		r.members.remove(m)
	}
	return true
}

// pick returns which of the known peers are to be chosen, beside those that are; those that were lost come
// last.
func (c crowd) pick(known, chosen []peer.ID, lost map[peer.ID]bool) []peer.ID {
	others := slices.DeleteFunc(slices.Clone(known), func(id peer.ID) bool { return slices.Contains(chosen, id) })
	if len(known) <= c.all {
		return others
	}
	if len(chosen) >= c.few {
		return nil
	}
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	slices.SortStableFunc(others, func(a, b peer.ID) int {
		switch {
		case lost[a] == lost[b]:
			return 0
		case lost[a]:
			return 1
		}
		return -1
	})
	return others[:min(len(others), c.some-len(chosen))]
}
