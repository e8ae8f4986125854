package hostiletest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"path"
	"slices"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

// own is a name in its part of the namespace.
func (m *Member) own(name string) string { return m.in(m.cfg.Identity.Public().Key, name) }

// in is a name in the part of the member with a key.
func (m *Member) in(key trust.Key, name string) string {
	return path.Join(m.cfg.Namespace, base64.RawURLEncoding.EncodeToString(key[:]), name)
}

// sign signs a version of a name, whether it may or not. What is behind the signature is what proves its
// signer a member.
func sign(by *trust.Signer, c trust.Chain, network trust.Key, name string, content []byte, v trust.Version) wire.Head {
	parsed, err := trust.ParseName(name)
	if err != nil {
		panic(err) // the names are constants
	}
	digest := trust.DigestOf(content)
	text, err := by.Sign(digest, trust.Statement{Name: parsed, Version: v, Network: network})
	if err != nil {
		panic(err) // keys of ED25519 sign everything
	}
	return wire.Head{
		Name: name, Version: int64(v), Signature: append(text, c.PEM()...), Digest: digest,
		Size: uint32(len(content)), Content: content,
	}
}

// signOwn signs a version of a name in its own part of the namespace, which is its right.
func (m *Member) signOwn(name string, content []byte, v trust.Version) wire.Head {
	return sign(m.cfg.Identity, m.cfg.Chain, m.cfg.Network, m.own(name), content, v)
}

// bare is a head without its content.
func bare(h wire.Head) wire.Head {
	h.Content = nil
	return h
}

// disguised is a head with another text where nobody signs, which makes it another message.
func disguised(h wire.Head, round int) wire.Head {
	_, signed, _ := bytes.Cut(h.Signature, []byte("\n"))
	h.Signature = fmt.Appendf(nil, "untrusted comment: %d\n%s", round, signed)
	return h
}

// learn asks a node for all that it has, like any member, and returns all versions that it has ever learnt of
// each name, the oldest ones first.
func (m *Member) learn(ctx context.Context, node peer.ID) (all [][]wire.Head) {
	if heads, err := m.pull(ctx, node); err == nil {
		m.remember(heads)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, heads := range m.known {
		all = append(all, slices.Clone(heads))
	}
	return all
}

func (m *Member) remember(heads []wire.Head) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range heads {
		known := m.known[h.Name]
		if !slices.ContainsFunc(known, func(k wire.Head) bool { return k.Version >= h.Version }) {
			m.known[h.Name] = append(known[max(0, len(known)-8):], h)
		}
	}
}

// pull returns the heads of a node with few names.
func (m *Member) pull(ctx context.Context, node peer.ID) (heads []wire.Head, err error) {
	s, err := m.open(ctx, node, sync1)
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	r := bufio.NewReader(s)
	ask := func(w wire.Message) (wire.Message, error) {
		if err := wire.Write(s, w); err != nil {
			return nil, err
		}
		return wire.Read(r, wire.MaxMessage)
	}
	if _, err := ask(wire.Root{}); err != nil {
		return nil, err
	}
	want, err := walk(ask, wire.Prefix{}, nil)
	if err != nil || len(want) == 0 {
		return nil, err
	}
	answer, err := ask(wire.Want{Keys: want[:min(len(want), wire.MaxKeys)]})
	for ; err == nil; answer, err = wire.Read(r, wire.MaxMessage) {
		h, ok := answer.(wire.Head)
		if !ok {
			break
		}
		heads = append(heads, h)
	}
	return heads, err
}

// walk adds the keys below a prefix.
func walk(ask func(wire.Message) (wire.Message, error), p wire.Prefix, keys []wire.Key) ([]wire.Key, error) {
	part, err := ask(wire.Look{Prefixes: []wire.Prefix{p}})
	if err != nil {
		return nil, err
	}
	switch part := part.(type) {
	case wire.Leaf:
		for _, it := range part.Items {
			keys = append(keys, it.Key)
		}
	case wire.Node:
		for half, hash := range part.Children {
			if hash == (wire.Hash{}) || len(keys) > wire.MaxKeys {
				continue
			}
			if keys, err = walk(ask, p.Child(half), keys); err != nil {
				return nil, err
			}
		}
	}
	return keys, nil
}

// promise lists a version of a name, which need not be had.
func promise(name string, version int64) summary.Entry {
	return summary.Entry{Key: wire.KeyOf(name), Stamp: wire.Stamp{1}, Version: version, Name: name}
}
