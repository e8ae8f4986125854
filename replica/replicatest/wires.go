package replicatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

var (
	errNobody   = errors.New("nobody listens there")
	errNoConn   = errors.New("not connected")
	errProtocol = errors.New("protocol is not spoken there")
)

// wires connects hosts in memory: whole streams, without a transport below them.
type wires struct {
	links *Links

	mu    sync.Mutex
	hosts map[peer.ID]*memoryHost
	conns map[[2]peer.ID]*conn // by the end whose it is and the other one
	ends  map[*stream]bool     // of streams, that nobody has freed yet
}

func newWires(l *Links) *wires {
	w := &wires{links: l, hosts: make(map[peer.ID]*memoryHost), conns: make(map[[2]peer.ID]*conn), ends: make(map[*stream]bool)}
	l.changed = append(l.changed, w.look)
	return w
}

// look has everybody who waits for something to arrive look again.
func (w *wires) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.ends {
		s.in.mu.Lock()
		s.in.notify()
		s.in.mu.Unlock()
	}
}

// open returns which ends of streams somebody still holds.
func (w *wires) open() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.ends {
		all = append(all, fmt.Sprintf("node %d to %d, %s, since %v", s.conn.local.number, s.conn.remote.number, s.protocol, time.Since(s.begun)))
	}
	slices.Sort(all)
	return all
}

func (w *wires) drop(s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ends, s)
}

func (w *wires) host(id peer.ID) *memoryHost {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hosts[id]
}

// everybody returns all hosts in the order of their numbers.
func (w *wires) everybody() (all []*memoryHost) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b *memoryHost) int { return a.number - b.number })
	return all
}

// trip waits for as long as something takes to get there and back; over a blocked link that is for ever.
func (w *wires) trip(ctx context.Context, a, b int) error {
	there, lost := w.links.step(a, b)
	back, _ := w.links.step(b, a)
	if lost {
		return network.ErrReset
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(there + back):
		}
		if w.links.passes(a, b) && w.links.passes(b, a) {
			return nil
		}
		there, back = time.Second, 0
	}
}

// connect connects two hosts, unless they are.
func (w *wires) connect(ctx context.Context, a *memoryHost, to peer.ID) error {
	if w.conn(a.id, to) != nil {
		return nil
	}
	b := w.host(to)
	if b == nil {
		return errNobody
	}
	if err := w.trip(ctx, a.number, b.number); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts[a.id] != a || w.hosts[b.id] != b {
		return errNobody
	}
	if w.conns[[2]peer.ID{a.id, b.id}] == nil {
		w.pair(a, b)
	}
	return nil
}

// pair connects two hosts; the caller holds mu.
func (w *wires) pair(a, b *memoryHost) {
	for _, c := range []*conn{{wires: w, local: a, remote: b}, {wires: w, local: b, remote: a}} {
		w.conns[[2]peer.ID{c.local.id, c.remote.id}] = c
		c.local.met(c.remote)
	}
}

func (w *wires) conn(local, remote peer.ID) *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns[[2]peer.ID{local, remote}]
}

// sever breaks the connection of two hosts and all streams on it.
func (w *wires) sever(a, b peer.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range [][2]peer.ID{{a, b}, {b, a}} {
		c := w.conns[key]
		if c == nil {
			continue
		}
		delete(w.conns, key)
		c.local.parted(c.remote)
		for s := range w.ends {
			if s.conn == c {
				s.fail()
			}
		}
	}
}

// severAll breaks all connections, or only those that nothing gets through any more.
func (w *wires) severAll(all bool) {
	for _, c := range w.all() {
		if all || !w.links.passes(c.local.number, c.remote.number) {
			w.sever(c.local.id, c.remote.id)
		}
	}
}

func (w *wires) all() (all []*conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		all = append(all, c)
	}
	return all
}

// leave takes a host away.
func (w *wires) leave(h *memoryHost) {
	w.mu.Lock()
	if w.hosts[h.id] == h {
		delete(w.hosts, h.id)
	}
	w.mu.Unlock()
	for _, c := range w.all() {
		if c.local == h {
			w.sever(h.id, c.remote.id)
		}
	}
}

// stream opens a stream and has the other side serve it.
func (w *wires) stream(ctx context.Context, a *memoryHost, to peer.ID, protos []protocol.ID) (network.Stream, error) {
	c := w.conn(a.id, to)
	if c == nil {
		return nil, errNoConn
	}
	proto, serve := c.remote.handler(protos)
	if serve == nil {
		return nil, errProtocol
	}
	if err := w.trip(ctx, a.number, c.remote.number); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	back := w.conns[[2]peer.ID{to, a.id}]
	if back == nil || w.conns[[2]peer.ID{a.id, to}] != c {
		return nil, errNoConn
	}
	there, here := newPipe(w.links, a.number, c.remote.number), newPipe(w.links, c.remote.number, a.number)
	mine := &stream{conn: c, protocol: proto, in: here, out: there, begun: time.Now()}
	theirs := &stream{conn: back, protocol: proto, in: there, out: here, begun: time.Now()}
	w.ends[mine], w.ends[theirs] = true, true
	go serve(theirs)
	return mine, nil
}
