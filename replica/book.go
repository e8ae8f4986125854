package replica

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxContacts bounds the contacts of a network without certificates, where anybody can make any number of
// peers. Members are bounded by maxRoll.
const maxContacts = 300

var errFull = errors.New("too many contacts")

// book is where peers are reached and what they hold, by their own word.
type book struct {
	most int

	mu       sync.Mutex
	contacts map[peer.ID]contact
	tree     summary.Tree
}

func newBook(members bool) *book {
	b := &book{most: maxContacts, contacts: make(map[peer.ID]contact)}
	if members {
		b.most = maxRoll
	}
	return b
}

// add takes a contact, and reports whether it is news. A full book takes only peers that we have met, each
// in the place of one that we have not.
func (b *book) add(c contact) (news bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, known := b.contacts[c.id]
	if known && !c.later(old) {
		return false, nil
	}
	if !known && len(b.contacts) >= b.most && !b.makeRoom(c) {
		return false, errFull
	}
	if c.met.Before(old.met) {
		c.met = old.met
	}
	if known {
		c.holds = old.holds
	}
	b.enter(c)
	return true, nil
}

func (b *book) makeRoom(c contact) bool {
	if c.met.IsZero() {
		return false
	}
	for id, other := range b.contacts {
		if other.met.IsZero() {
			b.remove(id)
			return true
		}
	}
	return false
}

// enter puts a contact in the place of the peer's other one.
func (b *book) enter(c contact) {
	if b.contacts[c.id].entry != c.entry {
		b.tree = b.tree.Put(c.entry)
	}
	if c.holds.said.Moment != b.contacts[c.id].holds.said.Moment {
		b.tree = b.tree.Put(c.holds.entry(c.id))
	}
	b.contacts[c.id] = c
}

func (b *book) remove(id peer.ID) {
	b.tree = b.tree.Remove(b.contacts[id].entry.Key).Remove(wire.KeyOfReport(string(id)))
	delete(b.contacts, id)
}

// sweep judges the contacts anew, and forgets those that are not to be kept.
func (b *book) sweep(judge func(contact) (proof, bool)) {
	for _, c := range b.all() {
		p, keep := judge(c)
		b.mu.Lock()
		if now := b.contacts[c.id]; now.entry != c.entry {
			// it was replaced meanwhile, by one that was just judged
		} else if now.proof = p; keep {
			b.contacts[c.id] = now
		} else {
			b.remove(c.id)
		}
		b.mu.Unlock()
	}
}

// meet notes that we are connected to a peer, or were until now.
func (b *book) meet(id peer.ID, at time.Time) {
	b.update(id, func(c *contact) { c.met = at })
}

// update changes what we know of a peer, if we have a contact of it.
func (b *book) update(id peer.ID, change func(*contact)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.contacts[id]
	if ok {
		change(&c)
		b.enter(c)
	}
}

// giveUp notes that a peer was dialled in vain.
func (b *book) giveUp(id peer.ID, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.contacts[id]; ok {
		c.lost = at
		b.contacts[id] = c
	}
}

func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.contacts)
}

func (b *book) get(id peer.ID) (contact, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.contacts[id]
	return c, ok
}

// summary returns what peers compare with theirs.
func (b *book) summary() summary.Tree {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tree
}

// all returns all contacts, those that we met last first.
func (b *book) all() []contact {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.contacts), func(x, y contact) int {
		return cmp.Or(y.met.Compare(x.met), bytes.Compare(x.entry.Key[:], y.entry.Key[:]))
	})
}
