package replica

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/peer"
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
	hello, err := expect[wire.Hello](x, wire.MaxRequest, answerWithin)
	if err != nil {
		return err
	}
	mine := r.summaries.current()
	if err := x.send(mine.root()); err != nil {
		return err
	}
	r.noteClient(x.peer, hello, mine)
	if mine.root().Root == hello.Root || mine.root().Root == hello.Settled {
		return nil
	}
	if err := sendPages(x, mine.items()); err != nil {
		return err
	}
	return r.serveWants(x, mine)
}

// noteClient learns from what a peer says when it pulls: that we are equal, or that we should pull too.
func (r *Replica) noteClient(id peer.ID, hello wire.Hello, mine summary) {
	m := r.members.get(id)
	switch {
	case m == nil:
	case hello.Root == mine.root().Root:
		m.compared(true)
	case hello.Root != m.settledWith(mine):
		notify(m.pull)
	}
}

func sendPages(x *exchange, items []wire.Item) error {
	if len(items) == 0 {
		return x.send(wire.Page{Last: true})
	}
	left := len(items)
	for part := range slices.Chunk(items, wire.MaxItems) {
		left -= len(part)
		if err := x.put(wire.Page{Last: left == 0, Items: part}); err != nil {
			return err
		}
	}
	return x.flush()
}

// serveWants sends heads until the peer closes. No peer needs more than each item once.
func (r *Replica) serveWants(x *exchange, mine summary) error {
	for budget := len(mine.items()); ; {
		m, err := x.receive(wire.MaxRequest, idleWithin)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		asked, ok := m.(wire.Want)
		if budget -= len(asked.Keys); !ok || budget < 0 {
			return fmt.Errorf("%w: bad request", wire.ErrMalformed)
		}
		if err := r.sendHeads(x, mine, asked.Keys); err != nil {
			return err
		}
	}
}

// sendHeads sends what is held now, which may be newer than what was listed.
func (r *Replica) sendHeads(x *exchange, mine summary, keys []wire.Key) error {
	for _, k := range keys {
		h, ok := mine.held(k)
		if !ok {
			continue
		}
		e, ok := r.ix.Get(h.entry.Name)
		if !ok || e.Record.IsZero() {
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
