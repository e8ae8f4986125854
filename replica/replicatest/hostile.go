package replicatest

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// hostile is a member that has no key of the policy. It gossips what it likes, opens streams for nonsense,
// and answers those of others by what an honest node says, changed on the way.
type hostile struct {
	fabric *exchange
	host   *memoryHost

	mu    sync.Mutex
	die   *rand.Rand
	heard []saying // what others said to it, to be said again
}

// saying is the beginning of what the opener of a stream said.
type saying struct {
	protocol protocol.ID
	bytes    []byte
}

// invite adds a hostile member, whose number is behind those of the others.
func (x *exchange) invite(number int, seed uint64) (*hostile, error) {
	host, err := newMemoryHost(x.wires, number, trusttest.Signer(1999).Ed25519())
	if err != nil {
		return nil, err
	}
	h := &hostile{fabric: x, host: host, die: rand.New(rand.NewPCG(seed, 666))}
	return h, host.Network().Listen()
}

// roll rolls the die.
func (h *hostile) roll(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.die.IntN(n)
}

// meet connects to everybody who is there, and speaks what they speak.
func (h *hostile) meet() {
	for _, other := range h.others("") {
		for _, p := range other.protocols() {
			h.host.SetStreamHandler(p, h.serve)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		go func() {
			defer cancel()
			_ = h.host.Connect(ctx, peer.AddrInfo{ID: other.id}) // it may be out of reach
		}()
	}
}

// others are all hosts but the hostile one and the given one.
func (h *hostile) others(but peer.ID) (others []*memoryHost) {
	for _, o := range h.fabric.wires.everybody() {
		if o != h.host && o.id != but {
			others = append(others, o)
		}
	}
	return others
}

// act does something bad. The names are those of the simulation.
func (h *hostile) act(names []trust.Name) (what string) {
	h.meet()
	switch h.roll(4) {
	case 0:
		h.gossip(h.fabric.said(h.roll))
		return "gossips again what it heard"
	case 1:
		h.gossip(h.spoil(h.fabric.said(h.roll)))
		return "gossips what it changed"
	case 2:
		h.gossip(wire.Encode(h.forge(names[h.roll(len(names))])))
		return "gossips what it made up"
	}
	for _, o := range h.others("") {
		h.mu.Lock()
		var some saying
		if len(h.heard) > 0 {
			some = h.heard[h.die.IntN(len(h.heard))]
		}
		h.mu.Unlock()
		go h.say(o.id, some.protocol, h.spoil(some.bytes))
	}
	return "says again and changed what it was asked"
}

func (h *hostile) gossip(data []byte) {
	if data != nil {
		h.fabric.spread(h.host, "", data)
	}
}

// forge makes a head that nobody of the policy signed, or one with a signature for another content.
func (h *hostile) forge(n trust.Name) wire.Head {
	content := []byte("forged")
	st := trust.Statement{Name: n, Version: trust.VersionAt(time.Now()) + trust.Version(h.roll(1000))}
	sig, err := stranger.Sign(trust.DigestOf(content), st)
	if err != nil {
		return wire.Head{}
	}
	head := wire.Head{Name: n.String(), Version: int64(st.Version), Signature: sig, Digest: trust.DigestOf(content), Size: 6, Content: content}
	m, err := wire.Decode(h.fabric.said(h.roll))
	if genuine, ok := m.(wire.Head); ok && err == nil && h.roll(2) == 0 {
		genuine.Name, genuine.Digest, genuine.Size, genuine.Content = head.Name, head.Digest, head.Size, head.Content
		return genuine
	}
	return head
}

// spoil changes one byte, or cuts what there is.
func (h *hostile) spoil(b []byte) []byte {
	b = append([]byte(nil), b...)
	switch {
	case len(b) == 0:
	case h.roll(4) == 0:
		b = b[:h.roll(len(b))]
	default:
		b[h.roll(len(b))] ^= 1 << h.roll(8)
	}
	return b
}

// say opens a stream, says something and waits for the answer.
func (h *hostile) say(to peer.ID, p protocol.ID, b []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := h.host.NewStream(ctx, to, p)
	if err != nil {
		return
	}
	defer s.Reset()
	if _, err := s.Write(b); err == nil {
		_, _ = io.Copy(io.Discard, s) // whatever it is
	}
}

// serve answers a stream in one of many bad ways.
func (h *hostile) serve(s network.Stream) {
	defer s.Reset()
	honest := h.others(s.Conn().RemotePeer())
	switch n := h.roll(6); {
	case n == 0:
		_, _ = io.Copy(io.Discard, s) // and no answer
	case n == 1 || len(honest) == 0:
		_, _ = s.Write(h.noise())
	default:
		h.relay(s, honest[h.roll(len(honest))].id, n > 2)
	}
}

func (h *hostile) noise() []byte {
	b := make([]byte, h.roll(2000))
	for i := range b {
		b[i] = byte(h.roll(256))
	}
	return b
}

// relay has an honest node answer, and changes some of what it says if lies are wanted.
func (h *hostile) relay(s network.Stream, to peer.ID, lies bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	up, err := h.host.NewStream(ctx, to, s.Protocol())
	if err != nil {
		return
	}
	defer up.Reset()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		h.ask(up, s)
	}()
	h.answer(s, up, lies)
	s.Reset()
	up.Reset()
	<-asked
}

// ask passes on what was asked, and remembers how it began.
func (h *hostile) ask(to, from network.Stream) {
	b := make([]byte, 4<<10)
	for first := true; ; first = false {
		n, err := from.Read(b)
		if n > 0 {
			if first {
				h.remember(saying{from.Protocol(), append([]byte(nil), b[:n]...)})
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			_ = to.CloseWrite()
			return
		}
	}
}

func (h *hostile) remember(s saying) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, s)
}

func (h *hostile) answer(to, from network.Stream, lies bool) {
	b := make([]byte, 4<<10)
	for {
		n, err := from.Read(b)
		said := b[:n]
		if n > 0 && lies && h.roll(3) == 0 {
			said = h.spoil(said)
		}
		if _, werr := to.Write(said); err != nil || werr != nil {
			_ = to.CloseWrite()
			return
		}
	}
}
