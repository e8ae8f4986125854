package replica_test

import (
	"fmt"
	"testing"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// forgeries returns heads of which every part is genuine, or nearly so, and that prove nothing together.
func forgeries(t *testing.T, s *siege) map[string]wire.Head {
	t.Helper()
	a, b := headOf(s.sign(t, "a", []byte("a"), v0+1), true), headOf(s.sign(t, "b", []byte("b"), v0+1), true)
	other := trusttest.Signer(700)
	others := certify(t, authority, other.Public().Key, "other", -time.Hour, time.Hour)
	sign := func(by *trust.Signer, name string, network trust.Key, behind ...byte) wire.Head {
		content := []byte("forged")
		st := trust.Statement{Name: trusttest.Name(t, name), Version: v0 + 2, Network: network}
		sig, err := by.Sign(trust.DigestOf(content), st)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Head{
			Name: name, Version: int64(v0 + 2), Signature: append(sig, behind...),
			Digest: trust.DigestOf(content), Size: uint32(len(content)), Content: content,
		}
	}
	changed := func(h wire.Head, f func(*wire.Head)) wire.Head { f(&h); return h }
	network := s.policy.Network()
	theirs := space + "/" + base64Of(other.Public().Key) + "/x"
	return map[string]wire.Head{
		"another's content": changed(a, func(h *wire.Head) { h.Content, h.Digest = b.Content, b.Digest }),
		"another's digest":  changed(a, func(h *wire.Head) { h.Content, h.Digest = nil, b.Digest }),
		"another's name":    changed(a, func(h *wire.Head) { h.Name = "b" }),
		"another version":   changed(a, func(h *wire.Head) { h.Version += 1000 }),
		"another's signature": changed(a, func(h *wire.Head) {
			h.Signature, h.Version = b.Signature, b.Version
		}),
		"another's place":       sign(s.bad.self, theirs, network, s.bad.chain.PEM()...),
		"its certificate there": sign(s.bad.self, theirs, network, others.PEM()...),
		"another network":       sign(signer, "a", trusttest.Signer(9).Public().Key),
		"no network":            sign(signer, "a", trust.Key{}),
		"its own key":           sign(s.bad.self, "a", network),
		"and its certificate":   sign(s.bad.self, "a", network, s.bad.chain.PEM()...),
		"an unknown key":        sign(trusttest.Signer(701), "a", network),
		"an unknown name":       sign(signer, "c", network),
		"a member of nobody": sign(trusttest.Signer(701), space+"/"+base64Of(trusttest.Signer(701).Public().Key), network,
			certify(t, trusttest.Signer(9), trusttest.Signer(701).Public().Key, "nobody", -time.Hour, time.Hour).PEM()...),
		"the policy": sign(s.bad.self, trust.PolicyName, network),
	}
}

// TestHostileMixAndMatch: forgeries of every kind, gossiped and listed. None is held, stored or passed on.
func TestHostileMixAndMatch(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil, "a", "b")
	var tree summary.Tree
	var heads []wire.Head
	var messages [][]byte
	for _, h := range forgeries(t, s) {
		messages = append(messages, wire.Encode(h))
		if _, listed := tree.Get(wire.KeyOf(h.Name)); !listed {
			tree = tree.Put(promise(h.Name, h.Version, wire.Stamp{}))
			heads = append(heads, h)
		}
	}
	s.bad.lists(func() (summary.Tree, []wire.Head) { return tree, heads })
	s.attack(t)
	for _, n := range s.nodes {
		s.bad.gossip(t, n, messages...)
	}
	s.logged(t, "sends what nobody signed")
	s.works(t)
	for i, n := range s.nodes {
		if lines := n.log.count("misbehave", "name=mallory", "sends what nobody signed"); lines != 1 {
			t.Errorf("node %d says it %d times", i, lines)
		}
		for _, e := range n.Index.Entries() {
			if e.Name.String() != "fresh" {
				t.Errorf("node %d holds %s", i, e.Name)
			}
		}
	}
	for _, n := range s.nodes[1:] {
		if n.log.count("misbehave", "name=node") > 0 {
			t.Errorf("an honest node is blamed")
		}
	}
}

// TestHostileForgeries: a hundred thousand cheap ones, by unknown keys, of unknown names, and garbage. It
// runs alone: what it measures is the process's.
func TestHostileForgeries(t *testing.T) {
	s := besiege(t, nil, "a", "b")
	for _, n := range s.nodes {
		n.Replica.ListenSlowly()
	}
	s.attack(t)
	s.works(t)
	genuine := headOf(s.sign(t, "a", []byte("a"), v0), true)
	byStranger := headOf(s.sign(t, "a", []byte("a"), v0), true)
	byStranger.Signature = disguised(wire.Head{Signature: forgeries(t, s)["an unknown key"].Signature}, 0).Signature
	before := measure()
	const rounds = 200
	for round := range rounds {
		var messages [][]byte
		for i := range 500 {
			h := disguised(genuine, round*500+i)
			switch i % 4 {
			case 0:
				h.Digest[i%64]++ // proved in vain
			case 1:
				h = disguised(byStranger, round*500+i)
			case 2:
				h.Name = fmt.Sprint("unknown/", round*500+i)
			}
			m := wire.Encode(h)
			if i%4 == 3 {
				m = fmt.Appendf(nil, "garbage %d", round*500+i)
			}
			messages = append(messages, m)
		}
		s.bad.gossip(t, s.nodes[round%3], messages...)
		if round%50 == 0 {
			s.works(t)
		}
	}
	s.works(t)
	s.logged(t, "sends what nobody signed")
	s.logged(t, "sends what is malformed")
	s.logged(t, "gossips faster")
	for i, n := range s.nodes {
		if held := len(n.Index.Entries()); held > 1 {
			t.Errorf("node %d holds %d names", i, held)
		}
	}
	before.grownTo(t, 64<<20, 200)
}
