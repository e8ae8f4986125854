package replica

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxAddrs = 16 // remembered of what a peer says of itself
	maxHeard = 64 // connections remembered to be alive
)

// member is a peer that speaks our protocols, or one that the configuration names.
type member struct {
	id     peer.ID
	dialed []ma.Multiaddr // from the configuration; nil for peers that came by themselves
	ctx    context.Context
	forget context.CancelFunc

	began     chan struct{} // a session began
	pull      chan struct{} // there may be something to pull
	probe     chan struct{} // there is a new connection
	retry     chan struct{} // dial now
	downloads chan struct{} // bounds our fetches from this peer
	bodies    chan arrival  // what it gossiped, proved, of which the content is to be fetched

	chosen  atomic.Bool  // by us, to be connected to
	failed  atomic.Int32 // dials since the last session
	untried atomic.Bool  // it may say what it hears

	mu       sync.Mutex
	session  context.Context // while connected, else nil
	end      context.CancelFunc
	since    time.Time // of the present session, or when the last one ended
	addrs    []ma.Multiaddr
	agent    string
	rtt      time.Duration
	seen     time.Time // last sign of life
	inSync   bool
	lastSync time.Time
	settled  map[[2]wire.Hash]settlement
	refused  map[wire.Item]declined
	wakeAt   time.Time            // when something refused is to be asked for again; zero: never
	avoided  time.Time            // until then it is not asked for contents while there may be others
	heard    map[string]time.Time // last sign of life by connection
	lacking  []trust.Digest       // contents that it asked for in vain
}

// notify leaves one note in a channel that holds one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func newMember(ctx context.Context, id peer.ID, dialed []ma.Multiaddr) *member {
	m := &member{
		id:        id,
		dialed:    dialed,
		since:     time.Now(),
		began:     make(chan struct{}, 1),
		pull:      make(chan struct{}, 1),
		probe:     make(chan struct{}, 1),
		retry:     make(chan struct{}, 1),
		downloads: make(chan struct{}, maxDownloadsOfOne),
		bodies:    make(chan arrival, bodiesSize),
		settled:   make(map[[2]wire.Hash]settlement),
		refused:   make(map[wire.Item]declined),
		heard:     make(map[string]time.Time),
	}
	m.ctx, m.forget = context.WithCancel(ctx)
	return m
}

// current returns the context of the present session, nil while there is none.
func (m *member) current() context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}

// begin starts a session unless there is one, and reports whether it did.
func (m *member) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil {
		return false
	}
	m.session, m.end = context.WithCancel(m.ctx)
	m.untried.Store(true)
	m.since = time.Now()
	m.seen = m.since
	notify(m.began)
	return true
}

// finish ends the session, if there is one, and with it what was learnt about this peer's records.
func (m *member) finish() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return false
	}
	m.end()
	m.session, m.since, m.inSync, m.wakeAt = nil, time.Now(), false, time.Time{}
	clear(m.settled)
	clear(m.refused)
	clear(m.heard)
	m.lacking = nil
	return true
}

func (m *member) describe(addrs []ma.Multiaddr, agent string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.addrs = addrs[:min(len(addrs), maxAddrs)]
	m.agent = printable(agent[:min(len(agent), 64)])
}

// printable drops what a peer could do harm with on a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, s)
}

// addresses returns where to dial.
func (m *member) addresses() []ma.Multiaddr {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append(append([]ma.Multiaddr{}, m.dialed...), m.addrs...)
}

// compared notes the result of comparing summaries.
func (m *member) compared(inSync bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inSync, m.lastSync = inSync, time.Now()
}

// avoid has contents fetched from others for a while.
func (m *member) avoid() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.avoided = time.Now().Add(avoidedFor)
}

func (m *member) isAvoided() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.avoided)
}

func (m *member) hear(conn string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.heard) > maxHeard {
		clear(m.heard)
	}
	m.seen = time.Now()
	m.heard[conn] = m.seen
}

func (m *member) heardAt(conn string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard[conn]
}

func (m *member) measured(conn string, rtt time.Duration) {
	m.hear(conn)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rtt = rtt
}

// roster is all members.
type roster struct {
	ctx context.Context

	mu      sync.Mutex
	members map[peer.ID]*member
}

func newRoster(ctx context.Context) *roster {
	return &roster{ctx: ctx, members: make(map[peer.ID]*member)}
}

// add returns the member, and whether it is new.
func (ro *roster) add(id peer.ID, dialed []ma.Multiaddr) (*member, bool) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	if m, ok := ro.members[id]; ok {
		return m, false
	}
	m := newMember(ro.ctx, id, dialed)
	ro.members[id] = m
	return m, true
}

// get returns the member, nil if there is none.
func (ro *roster) get(id peer.ID) *member {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	return ro.members[id]
}

// remove forgets a member and ends what runs for it.
func (ro *roster) remove(m *member) {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	delete(ro.members, m.id)
	m.forget()
}

func (ro *roster) all() []*member {
	ro.mu.Lock()
	defer ro.mu.Unlock()
	all := make([]*member, 0, len(ro.members))
	for _, m := range ro.members {
		all = append(all, m)
	}
	return all
}

// connected returns the members with a session in random order, or else those without.
func (ro *roster) connected(yes bool) []*member {
	var list []*member
	for _, m := range ro.all() {
		if (m.current() != nil) == yes {
			list = append(list, m)
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// suspect has us pull from a peer, because something may have been missed.
func (ro *roster) suspect(id peer.ID) {
	if m := ro.get(id); m != nil {
		notify(m.pull)
	}
}

func (ro *roster) heard(conn network.Conn) {
	if m := ro.get(conn.RemotePeer()); m != nil {
		m.hear(conn.ID())
	}
}
