package replica

import (
	"errors"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

const (
	maxRefused = 4096             // items remembered as not to be had from a peer
	maxSettled = 4096             // parts remembered of which nothing can be taken
	refusedFor = 10 * time.Minute // how long: clocks are set and policies rolled out meanwhile
)

// settlement remembers that nothing could be taken of a part that differs, and by which policy.
type settlement struct {
	policy  *trust.Policy
	at      time.Time
	refused bool // something in it is not to be had; else it is the peer that lacks something
	short   bool // the peer lacks something
}

// declined is until when, and under which policy, an item is not to be had.
type declined struct {
	until  time.Time
	policy *trust.Policy
	comes  bool // its own time comes then
}

// settledWith reports whether nothing can be taken of a part that has these hashes, ours and the peer's,
// and what else is known of it.
func (m *member) settledWith(hashes [2]wire.Hash, under *trust.Policy, now time.Time) (s settlement, settled bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.settled[hashes]
	return s, ok && s.policy == under && now.Sub(s.at) < refusedFor
}

func (m *member) settle(hashes [2]wire.Hash, s settlement) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.settled) >= maxSettled {
		clear(m.settled)
	}
	m.settled[hashes] = s
}

// refuse remembers that the peer does not have the item for us.
func (m *member) refuse(it wire.Item, d declined) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.refused) >= maxRefused {
		clear(m.refused)
	}
	m.refused[it] = d
}

func (m *member) refuses(it wire.Item, under *trust.Policy, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.refused[it]
	return ok && d.policy == under && now.Before(d.until)
}

// reconsider forgets what was not to be had.
func (m *member) reconsider() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wakeAt = time.Time{}
	clear(m.settled)
	clear(m.refused)
}

// refuse remembers an item that is not to be had for a while or, when its own time comes, until then.
func (p *pull) refuse(it wire.Item, comes time.Time) {
	d := declined{until: comes, policy: p.mine.policy, comes: !comes.IsZero()}
	if !d.comes {
		d.until = p.r.now().Add(refusedFor)
	}
	p.m.refuse(it, d)
	if d.comes {
		p.r.await(p.m, comes)
	}
}

// comesAt returns when a version is taken that was refused with err for being too far ahead of the
// clock, and zero for whatever else was refused. The version need not be proved: who pretends one has us
// ask that peer for it at another time.
func (r *Replica) comesAt(version int64, err error) time.Time {
	if wait, ok := errors.AsType[tooOften](err); ok {
		return r.now().Add(wait.wait)
	}
	if !errors.Is(err, trust.ErrFuture) {
		return time.Time{}
	}
	at := trust.Version(version).Time().Add(-r.ix.Policy().MaxFuture())
	if !at.After(r.now()) {
		return time.Time{} // it is something else that is ahead of the clock
	}
	return at
}

// ended reports whether a record is over by now, and so needs no content.
func (r *Replica) ended(rec trust.Record) bool {
	end, mortal := rec.Expires()
	return mortal && !r.now().Before(end)
}

// endsSoon returns when a record is over, if that is soon, else zero. By the clock of a peer that does not
// have the content it may be over already; when it is so by ours, it needs no content.
func (r *Replica) endsSoon(rec trust.Record) time.Time {
	end, mortal := rec.Expires()
	if now := r.now(); !mortal || !end.After(now) || end.After(now.Add(refusedFor)) {
		return time.Time{}
	}
	return end
}

// await has a member asked again at a time.
func (r *Replica) await(m *member, at time.Time) {
	if m.await(at) {
		notify(r.awaited)
	}
}

// await remembers the nearest time, and reports whether that is this one.
func (m *member) await(at time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.wakeAt.IsZero() && !at.Before(m.wakeAt) {
		return false
	}
	m.wakeAt = at
	return true
}

// askAgain has members asked for what was refused when the time of that has come. One timer serves all.
func (r *Replica) askAgain() {
	for {
		now := r.now()
		next := now.Add(longestUnwatched)
		for _, m := range r.members.all() {
			next = earlier(next, m.wake(now))
		}
		select {
		case <-r.ctx.Done():
			return
		case <-r.awaited:
		case <-time.After(next.Sub(now)):
		}
	}
}

// wake has the member pulled from when that is due, and returns when it is due next. What gossip brought
// is not remembered one by one: the pull finds all of it.
func (m *member) wake(now time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wakeAt.IsZero() || now.Before(m.wakeAt) {
		return m.wakeAt
	}
	m.wakeAt = time.Time{}
	clear(m.settled)
	for it, d := range m.refused {
		switch {
		case !d.comes:
		case now.Before(d.until):
			m.wakeAt = earlier(d.until, m.wakeAt)
		default:
			delete(m.refused, it)
		}
	}
	notify(m.pull)
	return m.wakeAt
}
