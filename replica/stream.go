package replica

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	openTimeout  = 5 * time.Second  // to open a stream
	answerWithin = 5 * time.Second  // to the first answer on it
	stepWithin   = 15 * time.Second // for every further message or chunk
	idleWithin   = 30 * time.Second // how long a server waits for the next request
)

// exchange is one stream of ours. Every step sets its own deadline.
type exchange struct {
	stream network.Stream
	peer   peer.ID
	r      *bufio.Reader
	w      *bufio.Writer
	heard  func() // to be called whenever something came
}

func (r *Replica) newExchange(s network.Stream) *exchange {
	conn := s.Conn()
	return &exchange{
		stream: s,
		peer:   conn.RemotePeer(),
		r:      bufio.NewReaderSize(r.traffic.reader(s), 16<<10),
		w:      bufio.NewWriterSize(r.traffic.writer(s), 16<<10),
		heard:  func() { r.members.heard(conn) },
	}
}

// open opens a stream to a connected peer; it never dials.
func (r *Replica) open(ctx context.Context, id peer.ID, proto protocol.ID) (*exchange, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "dmfs"), openTimeout)
	defer cancel()
	s, err := r.host.NewStream(ctx, id, proto)
	if err != nil {
		return nil, err
	}
	return r.newExchange(s), nil
}

// end closes the stream, or resets it after an error.
func (x *exchange) end(err error) {
	if err == nil {
		err = x.stream.Close()
	}
	if err != nil {
		x.stream.Reset()
	}
}

// put adds a message to what flush sends.
func (x *exchange) put(m wire.Message) error {
	if err := x.stream.SetWriteDeadline(time.Now().Add(stepWithin)); err != nil {
		return err
	}
	return wire.Write(x.w, m)
}

func (x *exchange) flush() error {
	return x.w.Flush()
}

func (x *exchange) send(m wire.Message) error {
	if err := x.put(m); err != nil {
		return err
	}
	return x.flush()
}

// receive reads one message of at most max bytes that must come within the time.
func (x *exchange) receive(max int, within time.Duration) (wire.Message, error) {
	if err := x.stream.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	m, err := wire.Read(x.r, max)
	if err == nil {
		x.heard()
	}
	return m, err
}

// expect receives a message that must be an M.
func expect[M wire.Message](x *exchange, max int, within time.Duration) (M, error) {
	var want M
	m, err := x.receive(max, within)
	if err != nil {
		return want, err
	}
	got, ok := m.(M)
	if !ok {
		return want, fmt.Errorf("%w: %T where %T must be", wire.ErrMalformed, m, want)
	}
	return got, nil
}

// serve makes a handler that bounds how many streams a peer and all together may have.
func (r *Replica) serve(l *limiter[peer.ID], handle func(*exchange) error) network.StreamHandler {
	return func(s network.Stream) {
		id := s.Conn().RemotePeer()
		if !r.work.enter() {
			s.Reset()
			return
		}
		defer r.work.leave()
		if !l.enter(id) {
			s.Reset()
			r.blame(id, faultStreams, nil)
			return
		}
		defer l.leave(id)
		x := r.newExchange(r.efforts.pace(s))
		err := handle(x)
		x.end(err)
		if err != nil {
			r.log.Debug("request failed", "peer", id, "err", err)
			if errors.Is(err, wire.ErrMalformed) {
				r.blame(id, faultMalformed, err)
			}
		}
	}
}

// limiter bounds how many are inside for each peer, or whatever else the key is, and together.
type limiter[K comparable] struct {
	perKey, total int

	mu     sync.Mutex
	inside map[K]int
	sum    int
}

func newLimiter[K comparable](perKey, total int) *limiter[K] {
	return &limiter[K]{perKey: perKey, total: total, inside: make(map[K]int)}
}

func (l *limiter[K]) enter(k K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inside[k] >= l.perKey || l.sum >= l.total {
		return false
	}
	l.inside[k]++
	l.sum++
	return true
}

func (l *limiter[K]) leave(k K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sum--
	if l.inside[k]--; l.inside[k] == 0 {
		delete(l.inside, k)
	}
}
