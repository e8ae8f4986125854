package hostiletest

import (
	"context"
	"crypto/ed25519"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

func signature(key ed25519.PrivateKey, text []byte) []byte { return ed25519.Sign(key, text) }

// strangers are keys that nobody knows.
func strangers(n int) (keys []*trust.Signer) {
	for range n {
		key, err := trust.GenerateSigner()
		if err != nil {
			panic(err) // there is no randomness
		}
		keys = append(keys, key)
	}
	return keys
}

// prepareMixed has it list what it mixes, too.
func prepareMixed(_ context.Context, m *Member) error {
	m.answers(sync1, m.listing(func() (summary.Tree, []wire.Head) {
		heads := m.mixtures()
		return listed(heads, int64(time.Hour)), heads
	}))
	return nil
}

// mix gossips heads of which every part is genuine, and that prove nothing together.
func mix(ctx context.Context, m *Member, node peer.ID, round int) {
	m.learn(ctx, node)
	var messages [][]byte
	for _, h := range m.mixtures() {
		messages = append(messages, wire.Encode(disguised(h, round)))
	}
	m.gossip(ctx, node, messages...)
	m.pretend(ctx, node)
	pause(ctx, 100*time.Millisecond)
}

// mixtures puts together parts of what it has learnt: the name, content, version or signature of one with the
// rest of another.
func (m *Member) mixtures() (mixed []wire.Head) {
	old := m.oldest()
	for i := range old {
		one, other := old[i], old[(i+1)%len(old)]
		if one.Name == other.Name {
			continue
		}
		change := func(f func(*wire.Head)) { h := one; f(&h); mixed = append(mixed, h) }
		change(func(h *wire.Head) { h.Digest, h.Size, h.Content = other.Digest, other.Size, other.Content })
		change(func(h *wire.Head) { h.Name = other.Name })
		change(func(h *wire.Head) { h.Version += int64(time.Hour) })
		change(func(h *wire.Head) { h.Signature, h.Version = other.Signature, other.Version })
		change(func(h *wire.Head) { h.Signature = append(h.Signature, m.cfg.Chain.PEM()...) })
	}
	return mixed
}

// forgeForeign gossips what is signed for another network, or for none.
func forgeForeign(ctx context.Context, m *Member, node peer.ID, round int) {
	var messages [][]byte
	for _, network := range []trust.Key{{}, {1}, m.cfg.Identity.Public().Key} {
		h := sign(m.cfg.Identity, m.cfg.Chain, network, m.own("foreign"), noise(100), version())
		messages = append(messages, wire.Encode(disguised(h, round)))
	}
	m.gossip(ctx, node, messages...)
	pause(ctx, 10*time.Millisecond)
}

// forge gossips what keys have signed that may not: its own and unknown ones, for files, for the policy, for its
// own part of the namespace and for those of others, with its certificate and without.
func forge(ctx context.Context, m *Member, node peer.ID, round int) {
	other := strangers(1)[0]
	names := append([]string{trust.PolicyName, m.own("x"), m.in(other.Public().Key, "x")}, m.cfg.Names...)
	var messages [][]byte
	for _, name := range names {
		for _, by := range []*trust.Signer{m.cfg.Identity, other} {
			if by == m.cfg.Identity && name == m.own("x") {
				continue // that is its right
			}
			for _, c := range []trust.Chain{{}, m.cfg.Chain} {
				messages = append(messages, wire.Encode(disguised(sign(by, c, m.cfg.Network, name, noise(100), version()), round)))
			}
		}
	}
	m.gossip(ctx, node, messages...)
}
