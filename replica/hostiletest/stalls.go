package hostiletest

import (
	"bytes"
	"context"
	"time"

	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// prepareStall has it answer half of what must be answered, and then nothing.
func prepareStall(_ context.Context, m *Member) error {
	for what, answer := range map[string]wire.Message{
		sync1: wire.Root{Hash: wire.Hash{1}}, contacts1: wire.Root{Hash: wire.Hash{1}}, fetch1: wire.Offer{Held: true, Size: 1 << 20},
	} {
		m.answers(what, func(s network.Stream) {
			_, _ = s.Write(half(answer))
			m.silent(s)
		})
	}
	return nil
}

func half(w wire.Message) []byte {
	b := framed(w)
	return b[:len(b)/2]
}

// framed is a message as it stands on a stream.
func framed(messages ...wire.Message) []byte {
	var b bytes.Buffer
	for _, w := range messages {
		_ = wire.Write(&b, w) // into memory
	}
	return b.Bytes()
}

// questions are what may be asked on each kind of stream.
var questions = map[string]wire.Message{sync1: wire.Root{}, contacts1: wire.Root{}, fetch1: wire.Ask{}}

// stall begins to say something on every kind of stream, and says no more.
func stall(ctx context.Context, m *Member, node peer.ID, _ int) {
	m.promiseSlowly(ctx, node)
	for what, question := range questions {
		s, err := m.open(ctx, node, what)
		if err != nil {
			continue
		}
		if _, err := s.Write(half(question)); err == nil {
			m.acted()
		}
	}
	pause(ctx, time.Second)
}

// promiseSlowly tells of a content of its own that the node then has to wait for.
func (m *Member) promiseSlowly(ctx context.Context, node peer.ID) {
	m.gossip(ctx, node, wire.Encode(bare(m.signOwn("slow", noise(100_000), version()))))
}

// prepareDrip has it answer right, a byte a second.
func prepareDrip(ctx context.Context, m *Member) error {
	for what, answer := range map[string]wire.Message{
		sync1: wire.Root{Hash: wire.Hash{1}}, contacts1: wire.Root{Hash: wire.Hash{1}}, fetch1: wire.Offer{Held: true, Size: 1 << 20},
	} {
		m.answers(what, func(s network.Stream) { m.drip(ctx, s, append(framed(answer), noise(1<<20)...)) })
	}
	return nil
}

func (m *Member) drip(ctx context.Context, s network.Stream, text []byte) {
	for _, c := range text {
		if _, err := s.Write([]byte{c}); err != nil || ctx.Err() != nil {
			return
		}
		m.acted()
		pause(ctx, time.Second)
	}
}

// drip asks, a byte a second.
func drip(ctx context.Context, m *Member, node peer.ID, _ int) {
	m.promiseSlowly(ctx, node)
	for what, question := range questions {
		s, err := m.open(ctx, node, what)
		if err != nil {
			continue
		}
		go func() {
			defer s.Reset()
			m.drip(ctx, s, framed(question))
		}()
	}
	pause(ctx, 5*time.Second)
}
