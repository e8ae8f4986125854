package replica

import (
	"slices"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

const maxLacking = 64 // contents remembered of what a peer asked for in vain

// A head is passed on before the content is here, so that a peer asks for what we do not have yet. When it
// A head is passed on before the content is here, so that a peer may ask for what we do not have yet. When that
// has come we pull from the peer, which shows it that we have something.

// lack remembers a content that the peer asked for in vain.
func (m *member) lack(d trust.Digest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lacking) == maxLacking {
		m.lacking = m.lacking[1:]
	}
	m.lacking = append(m.lacking, d)
}

// lacks reports whether the peer asked for one of the contents in vain, and forgets that it did.
func (m *member) lacks(recs []trust.Record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.lacking)
	for i := 0; i < len(recs) && len(m.lacking) > 0; i++ {
		m.lacking = slices.DeleteFunc(m.lacking, func(d trust.Digest) bool { return d == recs[i].Digest() })
	}
	return len(m.lacking) < before
}

// tellWhoAsked shows peers who asked for these contents in vain that we have them now.
func (r *Replica) tellWhoAsked(recs []trust.Record) {
	for _, m := range r.members.all() {
		if m.lacks(recs) {
			notify(m.pull)
		}
	}
}

// offers finds what a peer asks for. What is not here now is remembered.
func (r *Replica) offers(x *exchange, ask wire.Ask) (index.Entry, bool) {
	e, ok := r.offering(ask)
	if m := r.members.get(x.peer); !ok && m != nil {
		m.lack(ask.Digest)
		return r.offering(ask) // it may have come meanwhile
	}
	return e, ok
}

// offering finds what the summary shows and the policy has not withdrawn since.
func (r *Replica) offering(ask wire.Ask) (index.Entry, bool) {
	e, ok := r.held(r.summaries.current(r.ctx), ask.Key)
	return e, ok && !e.Expired && e.Record.Digest() == ask.Digest && int64(ask.From) <= e.Size
}
