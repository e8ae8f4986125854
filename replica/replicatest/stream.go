package replicatest

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// stream is one end of a stream in memory. What replica does not use of network.Stream panics.
type stream struct {
	network.Stream
	conn     *conn
	protocol protocol.ID
	in, out  *pipe
	freed    sync.Once
	begun    time.Time
}

func (s *stream) Read(p []byte) (int, error)                   { return s.in.read(p) }
func (s *stream) Write(p []byte) (int, error)                  { return s.out.write(p) }
func (s *stream) CloseWrite() error                            { s.out.finish(); return nil }
func (s *stream) SetReadDeadline(t time.Time) error            { s.in.expire(t); return nil }
func (s *stream) SetWriteDeadline(time.Time) error             { return nil } // a write never waits
func (s *stream) SetDeadline(t time.Time) error                { return s.SetReadDeadline(t) }
func (s *stream) Conn() network.Conn                           { return s.conn }
func (s *stream) Protocol() protocol.ID                        { return s.protocol }
func (s *stream) ResetWithError(network.StreamErrorCode) error { return s.Reset() }

// Close frees this end. What was written still arrives; what comes is of no interest any more.
func (s *stream) Close() error {
	s.out.finish()
	s.in.fail(network.ErrReset)
	s.free()
	return nil
}

// Reset breaks both directions.
func (s *stream) Reset() error {
	s.fail()
	s.free()
	return nil
}

func (s *stream) fail() {
	s.in.fail(network.ErrReset)
	s.out.fail(network.ErrReset)
}

func (s *stream) free() { s.freed.Do(func() { s.conn.wires.drop(s) }) }

// pipe is one direction of a stream, with one reader. It buffers whatever is written.
type pipe struct {
	links    *Links
	from, to int

	mu       sync.Mutex
	chunks   []chunk
	last     time.Time // when the latest chunk arrives: they stay in order
	broken   error
	deadline time.Time
	wake     chan struct{}
}

// chunk is what was written at once, or the end.
type chunk struct {
	bytes []byte
	at    time.Time
	end   bool
}

func newPipe(l *Links, from, to int) *pipe {
	return &pipe{links: l, from: from, to: to, wake: make(chan struct{}, 1)}
}

func (p *pipe) write(b []byte) (int, error) {
	after, breaks := p.links.step(p.from, p.to)
	if breaks {
		p.fail(network.ErrReset)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil || len(b) == 0 {
		return 0, p.broken
	}
	p.append(chunk{bytes: append([]byte(nil), b...)}, after)
	return len(b), nil
}

func (p *pipe) finish() {
	after, _ := p.links.step(p.from, p.to)
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.chunks); n == 0 || !p.chunks[n-1].end {
		p.append(chunk{end: true}, after)
	}
}

func (p *pipe) append(c chunk, after time.Duration) {
	c.at = time.Now().Add(after)
	if c.at.Before(p.last) {
		c.at = p.last
	}
	p.last = c.at
	p.chunks = append(p.chunks, c)
	p.notify()
}

func (p *pipe) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken == nil {
		p.broken = err
	}
	p.notify()
}

func (p *pipe) expire(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	p.notify()
}

// notify has the reader look again.
func (p *pipe) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		n, wait, err := p.take(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		select {
		case <-p.wake:
		case <-wait:
		}
	}
}

// take takes what has arrived, or says when to look again.
func (p *pipe) take(b []byte) (n int, wait <-chan time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.broken != nil:
		return 0, nil, p.broken
	case !p.deadline.IsZero() && !now.Before(p.deadline):
		return 0, nil, os.ErrDeadlineExceeded
	}
	next := p.deadline
	if len(p.chunks) > 0 && p.links.passes(p.from, p.to) {
		first := &p.chunks[0]
		if !now.Before(first.at) {
			return p.arrived(first, b)
		}
		if next.IsZero() || first.at.Before(next) {
			next = first.at
		}
	}
	if !next.IsZero() {
		wait = time.After(next.Sub(now))
	}
	return 0, wait, nil
}

func (p *pipe) arrived(first *chunk, b []byte) (int, <-chan time.Time, error) {
	if first.end {
		return 0, nil, io.EOF
	}
	n := copy(b, first.bytes)
	if first.bytes = first.bytes[n:]; len(first.bytes) == 0 {
		p.chunks = p.chunks[1:]
	}
	return n, nil, nil
}
