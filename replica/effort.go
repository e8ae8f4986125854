package replica

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// What a peer may have us do, in microseconds of a usual processor: to serve it all that we hold, for it may lack
// it, and so much more at once, and then so much a second. What is on streams that we open ourselves is not counted.
const (
	effortBurst = 500_000
	effortRate  = 50_000

	meetEffort  = 10_000 // a connection, and all that begins with it
	openEffort  = 150    // a stream, until its protocol is agreed on
	judgeEffort = 150    // a message of gossip that we have not seen yet
	callEffort  = 10     // what is read or written at once, and for each byte
	takeEffort  = 0.1    // that comes, for what it asks for or claims is looked up or proved, and
	giveEffort  = 0.01   // that goes
	nameEffort  = 300    // to serve a name, be it on a stream of its own, without its content

	shortestPause = 20 * time.Millisecond // for who has no effort left, lest waking up be one
)

// efforts are what each peer may have us do. When that is used up we neither accept streams from it nor read or
// write on those that it has opened, for a moment; then it waits, and nothing is lost. It is what has come through
// its own connections that counts, so nobody can use up another's.
type efforts struct {
	*allowances[peer.ID]
	ctx context.Context
}

func newEfforts(ctx context.Context) *efforts {
	return &efforts{newAllowances[peer.ID](effortBurst, effortRate), ctx}
}

// hold tells how many names we hold, and how many bytes their contents have.
func (e *efforts) hold(names int, bytes int64) {
	e.allow(nameEffort*float64(names) + giveEffort*float64(bytes))
}

// await returns when there is some effort left for a peer.
func (e *efforts) await(ctx context.Context, id peer.ID) error {
	for ctx.Err() == nil {
		wait := e.wait(id, time.Now())
		if wait == 0 {
			break
		}
		select {
		case <-time.After(max(wait, shortestPause)):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// begin waits for some effort, and takes what something costs.
func (e *efforts) begin(ctx context.Context, id peer.ID, cost float64) error {
	err := e.await(ctx, id)
	if err == nil {
		e.owe(id, cost, time.Now())
	}
	return err
}

// do does what costs as much as a call and so much for each of the bytes whose number it returns.
func (e *efforts) do(id peer.ID, perByte float64, call func() (int, error)) (int, error) {
	if err := e.await(e.ctx, id); err != nil {
		return 0, err
	}
	n, err := call()
	e.owe(id, callEffort+perByte*float64(n), time.Now())
	return n, err
}

// pacedStream is a stream that a peer has opened.
type pacedStream struct {
	network.Stream
	efforts *efforts
	peer    peer.ID
}

func (e *efforts) pace(s network.Stream) network.Stream {
	return &pacedStream{s, e, s.Conn().RemotePeer()}
}

// Read implements network.Stream.
func (s *pacedStream) Read(p []byte) (int, error) {
	return s.efforts.do(s.peer, takeEffort, func() (int, error) { return s.Stream.Read(p) })
}

// Write implements network.Stream.
func (s *pacedStream) Write(p []byte) (int, error) {
	return s.efforts.do(s.peer, giveEffort, func() (int, error) { return s.Stream.Write(p) })
}

// pacedHost paces what libp2p's gossip reads.
type pacedHost struct {
	host.Host
	efforts *efforts
}

// SetStreamHandler implements host.Host.
func (h pacedHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) { handle(h.efforts.pace(s)) })
}

// pacedResources have a connection accept its peer's streams at its pace. A peer has a bounded number of them open
// that we have not accepted.
type pacedResources struct {
	network.ResourceManager
	efforts *efforts
}

// OpenStream implements network.ResourceManager. The host asks it for each stream before it accepts the next one.
func (m pacedResources) OpenStream(id peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	if dir == network.DirInbound {
		if err := m.efforts.begin(m.efforts.ctx, id, openEffort); err != nil {
			return nil, err
		}
	}
	return m.ResourceManager.OpenStream(id, dir)
}
