package hostiletest

import (
	"context"
	"encoding/binary"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// prepareRollback has it list old versions as if they were new ones.
func prepareRollback(_ context.Context, m *Member) error {
	m.answers(sync1, m.listing(func() (summary.Tree, []wire.Head) {
		old := m.oldest()
		return listed(old, int64(time.Hour)), old
	}))
	return nil
}

// oldest returns the oldest version that it knows of each name.
func (m *Member) oldest() (old []wire.Head) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, heads := range m.known {
		old = append(old, heads[0])
	}
	return old
}

// replay gossips every old version that it has learnt, each in a new disguise.
func replay(ctx context.Context, m *Member, node peer.ID, round int) {
	var messages [][]byte
	for _, heads := range m.learn(ctx, node) {
		for _, h := range heads[:max(1, len(heads)-1)] {
			messages = append(messages, wire.Encode(disguised(h, round)), wire.Encode(disguised(bare(h), round)))
		}
	}
	m.gossip(ctx, node, messages...)
	m.pretend(ctx, node)
	pause(ctx, 100*time.Millisecond)
}

// pretend has the node compare itself with us, by showing that we differ.
func (m *Member) pretend(ctx context.Context, node peer.ID) {
	s, err := m.open(ctx, node, sync1)
	if err != nil {
		return
	}
	defer s.Reset()
	_ = wire.Write(s, wire.Root{Hash: wire.Hash(noise(16))})
	_, _ = s.Read(make([]byte, 64))
}

// prepareFreeze has it say that nothing is new, by saying what it hears, and take part in gossip of which it
// passes nothing on.
func prepareFreeze(ctx context.Context, m *Member) error {
	for _, what := range []string{sync1, contacts1} {
		m.answers(what, func(s network.Stream) {
			requests(s, func(asked wire.Message) error { m.acted(); return wire.Write(s, asked) })
		})
	}
	return m.swallow(ctx)
}

// prepareEndless has it answer without an end.
func prepareEndless(ctx context.Context, m *Member) error {
	for what, opening := range map[string][]byte{
		sync1:     framed(wire.Root{Hash: wire.Hash{1}}, lie(wire.Prefix{})),
		contacts1: binary.AppendUvarint(nil, 1<<62),
		fetch1:    framed(wire.Offer{Held: true, Size: 70_000}),
	} {
		m.answers(what, func(s network.Stream) { m.pour(ctx, s, opening) })
	}
	return nil
}

// pour writes until the other side has had enough.
func (m *Member) pour(ctx context.Context, s network.Stream, first []byte) {
	rest := noise(64 << 10)
	for b := first; ctx.Err() == nil; b = rest {
		if _, err := s.Write(b); err != nil {
			return
		}
		m.acted()
	}
}

// sayEndlessly asks without an end, on every protocol that there is, also by lengths that nobody has.
func sayEndlessly(ctx context.Context, m *Member, node peer.ID, _ int) {
	m.promiseSlowly(ctx, node)
	for _, opening := range [][]byte{binary.AppendUvarint(nil, 1<<62), binary.AppendUvarint(nil, 20<<20), noise(10)} {
		ids := []protocol.ID{pubsub.GossipSubID_v11, "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"}
		for _, what := range []string{sync1, fetch1, contacts1, "member"} {
			if s, err := m.open(ctx, node, what); err == nil {
				m.pour(ctx, s, opening)
				s.Reset()
			}
		}
		for _, id := range ids {
			m.pourInto(ctx, node, id, opening)
		}
	}
}

func (m *Member) pourInto(ctx context.Context, node peer.ID, id protocol.ID, opening []byte) {
	within, cancel := context.WithTimeout(network.WithNoDial(ctx, "hostile"), time.Second)
	defer cancel()
	s, err := m.host.NewStream(within, node, id)
	if err != nil {
		return
	}
	defer s.Reset()
	if s.SetDeadline(time.Now().Add(time.Second)) == nil {
		m.pour(within, s, opening)
	}
}
