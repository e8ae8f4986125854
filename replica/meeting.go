package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Where a peer is reached it may say so often, whoever passes it on.
const (
	movesBurst = 16      // at once
	movesRate  = 1. / 10 // and per second
)

// introduce signs where we are reached when that, or our certificate, has changed, and has our peers told.
func (r *Replica) introduce() {
	addrs := reachable(r.addrs())
	var chain trust.Chain
	if r.admission != nil {
		chain = r.admission.certificate()
	}
	old, _ := r.book.get(r.host.ID())
	same := slices.EqualFunc(old.addrs, addrs, func(a, b ma.Multiaddr) bool { return a.Equal(b) })
	if len(addrs) == 0 || same && string(old.said.Chain) == string(chain.DER()) {
		return
	}
	seq := max(uint64(r.now().UnixNano()), uint64(old.entry.Version)+1)
	c, err := signContact(r.host.Peerstore().PrivKey(r.host.ID()), addrs, seq, chain.DER())
	if err == nil {
		c.met = r.now()
		_, err = r.book.add(c)
	}
	if err != nil {
		r.log.Debug("our addresses are not told", "err", err)
		return
	}
	notify(r.restate)
	r.tellOthers(nil)
}

// certifiedContact returns a contact with the proof that its peer is a member, if there is a network.
func (r *Replica) certifiedContact(c contact) (_ contact, err error) {
	if r.admission != nil {
		c.proof, err = r.admission.prove(c.id, c.said.Chain)
	}
	return c, err
}

// meetOften meets a member, has the others told of what that brought, and reports whether the member says more
// often than it may where it is reached.
func (r *Replica) meetOften(session context.Context, m *member) (restless bool) {
	news, err := r.meet(session, m)
	if err != nil && session.Err() == nil {
		r.log.Debug("contacts not compared", "peer", m.id, "err", err)
		r.blameFor(m.id, err)
	}
	if news {
		notify(r.mesh) // only now: who joins a large network is not to choose before it knows that
		r.tellOthers(m)
	}
	return r.moves.wait(m.id, time.Now()) > 0
}

// meet compares with a member where peers are reached, takes what is later, and reports whether that was
// something.
func (r *Replica) meet(session context.Context, m *member) (news bool, err error) {
	x, err := r.open(session, m.id, r.names.contacts)
	if err != nil {
		return false, err
	}
	defer func() { x.end(err) }()
	c := &comparison{x: x, r: r, m: m, mine: snapshot{Tree: r.book.summary(), policy: r.ix.Policy()}}
	if _, done, err := c.greet(); done || err != nil {
		return false, err
	}
	_, err = c.walk(func(items []wire.Item) (bool, error) {
		some, err := r.askContacts(c, items)
		news = news || some
		return true, err
	})
	return news, err
}

// askContacts asks for contacts and reports, and takes those that are good; the others it does not ask for again.
func (r *Replica) askContacts(c *comparison, items []wire.Item) (news bool, err error) {
	want, asked := asking(items)
	if err := c.x.send(want); err != nil {
		return false, err
	}
	for sent := range len(items) + 1 {
		m, err := c.x.receive(wire.MaxContact, stepWithin)
		if err != nil {
			return news, err
		}
		if _, end := m.(wire.End); end {
			if sent < len(items) {
				r.blame(c.m.id, faultPromise, nil)
			}
			for _, it := range asked {
				c.m.refuse(it, declined{until: r.now().Add(refusedFor), policy: c.mine.policy})
			}
			return news, nil
		}
		key, told, err := r.takeTold(m)
		if errors.Is(err, wire.ErrMalformed) {
			return news, err
		}
		if err != nil {
			r.putOff(c, asked, key, err)
			r.log.Debug("contact not taken", "peer", c.m.id, "err", err)
			continue
		}
		news = news || told
		delete(asked, key)
	}
	return news, fmt.Errorf("%w: more contacts than asked for", wire.ErrMalformed)
}

// putOff has a contact asked for when it may be taken, if it was signed too soon behind others.
func (r *Replica) putOff(c *comparison, asked map[wire.Key]wire.Item, key wire.Key, err error) {
	wait, ok := errors.AsType[tooOften](err)
	if it, listed := asked[key]; ok && listed {
		delete(asked, key)
		at := r.now().Add(wait.wait)
		c.m.refuse(it, declined{until: at, policy: c.mine.policy, comes: true})
		r.await(c.m, at)
	}
}

// asking returns what asks for items, and the items by their keys.
func asking(items []wire.Item) (wire.Want, map[wire.Key]wire.Item) {
	want, asked := wire.Want{}, make(map[wire.Key]wire.Item, len(items))
	for _, it := range items {
		want.Keys = append(want.Keys, it.Key)
		asked[it.Key] = it
	}
	return want, asked
}

// takeTold takes a contact or a report, and reports whether others have to be told at once.
func (r *Replica) takeTold(m wire.Message) (key wire.Key, tell bool, err error) {
	switch m := m.(type) {
	case wire.Contact:
		key, err = r.takeContact(m)
		return key, true, err
	case wire.Report:
		if key, err = r.takeReport(m); err == nil {
			notify(r.tidings)
		}
		return key, false, err
	}
	return key, false, fmt.Errorf("%w: %T where a contact or a report must be", wire.ErrMalformed, m)
}

var errNoNews = errors.New("no news")

// takeContact proves a contact and puts it into the book.
func (r *Replica) takeContact(m wire.Message) (wire.Key, error) {
	said, ok := m.(wire.Contact)
	if !ok {
		return wire.Key{}, fmt.Errorf("%w: %T where a contact must be", wire.ErrMalformed, m)
	}
	c, err := readContact(said)
	if err != nil {
		return wire.Key{}, err
	}
	if c, err = r.certifiedContact(c); err != nil {
		return wire.Key{}, err
	}
	if err := r.chargeMove(c); err != nil {
		return c.entry.Key, err
	}
	if m := r.members.get(c.id); m != nil && m.current() != nil {
		c.met = r.now()
	}
	news, err := r.book.add(c)
	if err == nil && !news {
		err = errNoNews
	}
	return c.entry.Key, err
}

// chargeMove has a peer pay for a contact that takes the place of another one.
func (r *Replica) chargeMove(c contact) error {
	known, ok := r.book.get(c.id)
	if !ok || !c.later(known) {
		return nil
	}
	if wait := r.moves.spend(c.id, 1, time.Now()); wait > 0 {
		r.blame(c.id, faultMoves, nil)
		return tooOften{wait}
	}
	return nil
}

// serveContacts answers a peer that wants to know where peers are reached.
func (r *Replica) serveContacts(x *exchange) error {
	theirs, err := expect[wire.Root](x, wire.MaxRequest, answerWithin)
	if err != nil {
		return err
	}
	mine := snapshot{Tree: r.book.summary(), policy: r.ix.Policy()}
	if err := x.send(wire.Root{Hash: mine.Hash()}); err != nil {
		return err
	}
	if m := r.members.get(x.peer); m != nil && r.differs(m, theirs.Hash, mine) {
		defer notify(m.pull)
	}
	return r.serveRequests(x, mine, sendContacts(r.book))
}

// sendContacts returns what answers a Want.
func sendContacts(b *book) func(*exchange, snapshot, []wire.Key) error {
	return func(x *exchange, mine snapshot, keys []wire.Key) error {
		for _, k := range keys {
			entry, _ := mine.Get(k)
			c, ok := b.get(peer.ID(entry.Name))
			if !ok {
				continue
			}
			var m wire.Message = c.said
			if k != c.entry.Key {
				m = c.holds.said
			}
			if err := x.put(m); err != nil {
				return err
			}
		}
		return x.send(wire.End{})
	}
}
