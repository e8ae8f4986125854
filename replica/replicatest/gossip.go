package replicatest

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"dmfs/replica"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// exchange is a fabric of the level Streams: wires for streams, and gossip beside them.
type exchange struct {
	level Streams
	wires *wires

	mu      sync.Mutex
	members map[peer.ID]*gossiper
	past    [][]byte // what was gossiped, for a hostile member
}

// gossiper takes part in gossip as pubsub would have it: it looks at each message once in two minutes, and
// forwards what it accepts.
type gossiper struct {
	host  *memoryHost
	judge Judge
	heard map[[sha256.Size]byte]time.Time
}

func (l Streams) open(links *Links) fabric {
	return &exchange{level: l, wires: newWires(links), members: make(map[peer.ID]*gossiper)}
}

func (x *exchange) addr(number int) string { return memoryAddr(number).String() }
func (x *exchange) sever(all bool)         { x.wires.severAll(all) }
func (x *exchange) open() []string         { return x.wires.open() }

func (x *exchange) start(m *machine) (*replica.Replica, func() error, error) {
	h, err := newMemoryHost(x.wires, m.number, m.config.Identity)
	if err != nil {
		return nil, nil, err
	}
	r, judge, err := x.level.Start(context.Background(), m.config, m.index, m.now, h,
		func(_ context.Context, data []byte) error { x.publish(h, data); return nil })
	if err != nil {
		return nil, nil, err
	}
	x.join(&gossiper{host: h, judge: judge, heard: make(map[[sha256.Size]byte]time.Time)})
	return r, func() error { x.part(h); return nil }, nil
}

func (x *exchange) join(g *gossiper) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.members[g.host.id] = g
}

func (x *exchange) part(h *memoryHost) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.members, h.id)
}

func (x *exchange) publish(from *memoryHost, data []byte) {
	x.mu.Lock()
	x.past = append(x.past, data)
	x.mu.Unlock()
	x.spread(from, "", data)
}

// said returns something that was gossiped, nil before anything was.
func (x *exchange) said(roll func(int) int) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.past) == 0 {
		return nil
	}
	return x.past[roll(len(x.past))]
}

// spread sends a message to everybody whom a host is connected to, but not back.
func (x *exchange) spread(from *memoryHost, origin peer.ID, data []byte) {
	for _, c := range x.wires.all() {
		if c.local != from || c.remote.id == origin {
			continue
		}
		for _, after := range x.wires.links.fate(from.number, c.remote.number) {
			time.AfterFunc(after, func() { x.deliver(from.id, c.remote.id, data) })
		}
	}
}

// remembers is how long pubsub knows what it has seen.
const remembers = 2 * time.Minute

func (x *exchange) deliver(from, to peer.ID, data []byte) {
	x.mu.Lock()
	g, sum := x.members[to], sha256.Sum256(data)
	news := g != nil && time.Since(g.heard[sum]) > remembers
	if news {
		g.heard[sum] = time.Now()
	}
	x.mu.Unlock()
	if news && g.judge(from, data) == pubsub.ValidationAccept {
		x.spread(g.host, from, data)
	}
}
