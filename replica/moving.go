package replica

import (
	"context"
	"slices"
	"sync"
	"time"

	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	briefPing       = 500 * time.Millisecond // and four round trips: what a peer has to answer after a change
	straightenEvery = 10                     // times meshEvery
)

// stay is the time between two changes of where this machine is.
type stay struct {
	mu    sync.Mutex
	ctx   context.Context
	leave context.CancelFunc
}

func (s *stay) current() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// begin ends the stay before.
func (s *stay) begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leave != nil {
		s.leave()
	}
	s.ctx, s.leave = context.WithCancel(ctx)
}

// within returns a context that ends with the stay, too.
func (s *stay) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.current(), cancel)
	return ctx, func() { stop(); cancel() }
}

// watchMachine has the replica follow what Config.Watch tells.
func (r *Replica) watchMachine(watch func(context.Context, func()) error) {
	changed := make(chan struct{}, 1)
	r.spawn(func() {
		if err := watch(r.ctx, func() { notify(changed) }); err != nil && r.ctx.Err() == nil {
			r.log.Warn("changes of the network are noticed late", "err", err)
		}
	})
	r.spawn(func() {
		for {
			select {
			case <-r.ctx.Done():
				return
			case <-changed:
				r.move()
			}
		}
	})
}

// move takes this machine to be elsewhere, or awake after a sleep: what was tried in vain is tried at once, and
// what seems to work has to prove it.
func (r *Replica) move() {
	r.log.Debug("the network has changed, or this machine was asleep")
	r.listening.update()
	r.stay.begin(r.ctx)
	r.dropStranded()
	for _, m := range r.members.connected(true) {
		r.spawn(func() { r.recheck(m) })
	}
	for _, m := range r.members.connected(false) {
		notify(m.retry)
	}
	r.straighten()
	notify(r.mesh)
	notify(r.moor)
	notify(r.awaited)
}

// keepOpen tries again, now and then, to listen and, less often, to do without relays.
func (r *Replica) keepOpen() {
	for round := 1; ; round++ {
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(meshEvery):
		}
		if len(r.listening.trouble()) > 0 {
			r.listening.update()
		}
		if round%straightenEvery == 0 {
			r.straighten()
		}
	}
}

// dropStranded closes the connections from addresses that this machine has no more.
func (r *Replica) dropStranded() {
	here, err := places()
	if err != nil {
		return
	}
	for _, c := range r.host.Network().Conns() {
		ip, err := manet.ToIP(c.LocalMultiaddr())
		if err != nil || ip.IsUnspecified() || slices.ContainsFunc(here, func(p place) bool { return p.ip.Equal(ip) }) {
			continue
		}
		c.Close()
	}
}

// recheck closes the connections to a peer that do not answer at once, and pulls from one that does.
func (r *Replica) recheck(m *member) {
	session := m.current()
	if session == nil {
		return
	}
	timeout := briefPing + 4*m.peer().RTT
	var group sync.WaitGroup
	for _, c := range r.host.Network().ConnsToPeer(m.id) {
		group.Go(func() {
			l := &link{conn: c}
			defer l.hangUp()
			r.examine(session, m, l, 1, timeout)
		})
	}
	group.Wait()
	notify(m.pull)
}
