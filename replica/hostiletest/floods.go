package hostiletest

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// batch is how many messages are made for one stream of gossip.
const batch = 1000

// floodHeads gossips heads that nobody has signed quite so, each of them another message that costs a proof.
func floodHeads(ctx context.Context, m *Member, node peer.ID, round int) {
	var messages [][]byte
	for _, versions := range m.learn(ctx, node) {
		genuine := versions[len(versions)-1]
		genuine.Version += int64(time.Hour)
		for i := range batch {
			messages = append(messages, wire.Encode(disguised(genuine, round*batch+i)))
		}
	}
	m.gossip(ctx, node, messages...)
}

// floodGarbage gossips what is no message at all.
func floodGarbage(ctx context.Context, m *Member, node peer.ID, _ int) {
	var messages [][]byte
	for range batch {
		messages = append(messages, noise(1000))
	}
	m.gossip(ctx, node, messages...)
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// floodControls sends messages of gossipsub's own, and its own reports.
func floodControls(ctx context.Context, m *Member, node peer.ID, round int) {
	m.send(ctx, node, controls(m.topic(), round), controls(m.topic(), round+1))
	var reports [][]byte
	for range batch {
		reports = append(reports, wire.Encode(m.report()))
	}
	m.gossip(ctx, node, reports...)
}

// floodContents asks for every content, on four streams, and for all of it again and again.
func floodContents(ctx context.Context, m *Member, node peer.ID, _ int) {
	for _, versions := range m.learn(ctx, node) {
		newest := versions[len(versions)-1]
		for range 4 {
			s, err := m.open(ctx, node, fetch1)
			if err != nil {
				return
			}
			go m.ask(s, wire.Ask{Key: wire.KeyOf(newest.Name), Digest: newest.Digest})
		}
	}
}

func (m *Member) ask(s network.Stream, w wire.Ask) {
	defer s.Reset()
	for range 100 {
		if wire.Write(s, w) != nil {
			return
		}
		m.acted()
	}
	_, _ = bufio.NewReader(s).Discard(1 << 30) // until its deadline
}

// floodStreams opens streams, says a byte on each, and leaves them open.
func floodStreams(ctx context.Context, m *Member, node peer.ID, _ int) {
	for _, what := range []string{sync1, fetch1, contacts1} {
		for range 20 {
			s, err := m.open(ctx, node, what)
			if err != nil {
				continue
			}
			if _, err := s.Write([]byte{1}); err == nil {
				m.acted()
			}
		}
	}
}

// prepareFiller has it serve contents of its own.
func prepareFiller(_ context.Context, m *Member) error {
	m.answers(fetch1, m.offering(pattern))
	return nil
}

// pattern is the content of each of its large files.
var pattern = make([]byte, 1<<20)

// fill signs more and more files in its namespace: small ones that travel inline, and large ones.
func fill(ctx context.Context, m *Member, node peer.ID, round int) {
	var messages [][]byte
	for i := range 100 {
		name, now := fmt.Sprintf("%d/%d", round%50, i), trust.VersionAt(time.Now())
		messages = append(messages, wire.Encode(m.signOwn("small/"+name, noise(1000), now)),
			wire.Encode(bare(m.signOwn("large/"+name, pattern, now))))
	}
	m.gossip(ctx, node, messages...)
}

// floodVersions signs one name again and again, and many others.
func floodVersions(ctx context.Context, m *Member, node peer.ID, _ int) {
	var messages [][]byte
	for i := range batch {
		content := binary.BigEndian.AppendUint64(nil, uint64(i))
		messages = append(messages, wire.Encode(m.signOwn("x", content, version())),
			wire.Encode(m.signOwn(fmt.Sprint("other/", i), content, version())))
	}
	m.gossip(ctx, node, messages...)
}
