package replica

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"dmfs/replica/internal/wire"
)

// syncNowAndThen has us pull from a random peer, at a mean interval.
func (r *Replica) syncNowAndThen(interval time.Duration) {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(interval/2 + rand.N(interval)):
		}
		if some := r.members.connected(true); len(some) > 0 {
			notify(some[0].pull)
		}
	}
}

// serveSync answers a peer that pulls from us.
func (r *Replica) serveSync(x *exchange) error {
	theirs, err := expect[wire.Root](x, wire.MaxRequest, answerWithin)
	if err != nil {
		return err
	}
	mine := r.summaries.current(r.ctx)
	if err := x.send(wire.Root{Hash: mine.Hash()}); err != nil {
		return err
	}
	r.hears(x.peer, theirs.Hash)
	if m := r.members.get(x.peer); m != nil {
		if theirs.Hash == mine.Hash() {
			m.compared(true)
		}
		if r.differs(m, theirs.Hash, mine) {
			defer notify(m.pull) // there is a better time when the peer has what it lacks
		}
	}
	return r.serveRequests(x, mine, r.sendHeads)
}

// differs reports whether we should pull from a peer that says what it holds: we may take something.
func (r *Replica) differs(m *member, theirs wire.Hash, mine snapshot) bool {
	_, settled := m.settledWith([2]wire.Hash{mine.Hash(), theirs}, mine.policy, r.now())
	return theirs != mine.Hash() && !settled
}

// responder answers what a peer asks for, from one state of what we hold. No peer needs more than each part
// and each item once.
type responder struct {
	x            *exchange
	mine         snapshot
	send         func(*exchange, snapshot, []wire.Key) error // what answers a Want
	parts, items int                                         // that the peer may still ask for
}

// serveRequests answers until the peer closes.
func (r *Replica) serveRequests(x *exchange, mine snapshot, send func(*exchange, snapshot, []wire.Key) error) error {
	s := &responder{x, mine, send, wire.MaxLook + 4*mine.Len(), mine.Len()}
	for {
		m, err := x.receive(wire.MaxRequest, idleWithin)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.answer(m)
		}
		if err != nil {
			return err
		}
	}
}

func (s *responder) answer(m wire.Message) error {
	switch m := m.(type) {
	case wire.Look:
		if s.parts -= len(m.Prefixes); s.parts >= 0 {
			return sendParts(s.x, s.mine, m.Prefixes)
		}
	case wire.Want:
		if s.items -= len(m.Keys); s.items >= 0 {
			return s.send(s.x, s.mine, m.Keys)
		}
	}
	return fmt.Errorf("%w: bad request", wire.ErrMalformed)
}

func sendParts(x *exchange, mine snapshot, prefixes []wire.Prefix) error {
	for _, p := range prefixes {
		if err := x.put(mine.At(p).Message()); err != nil {
			return err
		}
	}
	return x.flush()
}

// sendHeads sends what is held now, which may be newer than what was listed.
func (r *Replica) sendHeads(x *exchange, mine snapshot, keys []wire.Key) error {
	for _, k := range keys {
		e, ok := r.held(mine, k)
		if !ok {
			continue
		}
		head, err := r.headOf(e, wire.MaxInline)
		if err != nil {
			continue // superseded this very moment: the peer finds the new one in its next pull
		}
		if err := x.put(head); err != nil {
			return err
		}
	}
	return x.send(wire.End{})
}
