package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

func TestVerdictsOfTheValidator(t *testing.T) {
	t.Parallel()
	p, wide := trusttest.Policy(t, signer, "a"), trusttest.Policy(t, signer, "a", "b")
	unknown := trusttest.Policy(t, trusttest.Signer(9), "a")
	n := replicatest.New(t, 1, p, replica.Start)
	n.Start(t)
	held := trusttest.Record(t, p, signer, "a", []byte("held"), v0+10)
	loser := trusttest.Record(t, p, signer, "a", []byte("other"), v0+10)
	if trust.Compare(loser, held) > 0 {
		loser, held = held, loser
	}
	n.Write(t, held)
	news := headOf(trusttest.Record(t, p, signer, "a", []byte("news"), v0+20), true)
	change := func(f func(*wire.Head)) []byte { h := news; f(&h); return wire.Encode(h) }
	ttl := func() []byte {
		st := trust.Statement{Name: held.Name(), Version: v0 + 30, TTL: time.Second}
		sig, err := signer.Sign(trust.DigestOf(nil), st)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Encode(wire.Head{Name: "a", Version: int64(v0 + 30), Signature: sig, Digest: trust.DigestOf(nil), Content: []byte{}})
	}
	from, _ := peer.Decode(replica.PeerID(trusttest.Signer(5).Public().Key))
	for name, c := range map[string]struct {
		data []byte
		want pubsub.ValidationResult
	}{
		"garbage":           {noise(100), pubsub.ValidationReject},
		"nothing":           {nil, pubsub.ValidationReject},
		"another message":   {wire.Encode(wire.End{}), pubsub.ValidationReject},
		"trailing byte":     {append(wire.Encode(news), 0), pubsub.ValidationReject},
		"bad name":          {change(func(h *wire.Head) { h.Name = "../a" }), pubsub.ValidationReject},
		"content changed":   {change(func(h *wire.Head) { h.Content = []byte("News") }), pubsub.ValidationReject},
		"digest changed":    {change(func(h *wire.Head) { h.Digest[0]++; h.Content = nil }), pubsub.ValidationReject},
		"signature changed": {change(func(h *wire.Head) { h.Signature = append([]byte{}, h.Signature[:len(h.Signature)-9]...) }), pubsub.ValidationReject},
		"version pretended": {change(func(h *wire.Head) { h.Version++ }), pubsub.ValidationReject},
		"older":             {wire.Encode(headOf(trusttest.Record(t, p, signer, "a", []byte("old"), v0), true)), pubsub.ValidationIgnore},
		"older, forged":     {change(func(h *wire.Head) { h.Version = int64(v0); h.Signature = noise(9) }), pubsub.ValidationIgnore},
		"loses the tie":     {wire.Encode(headOf(loser, true)), pubsub.ValidationIgnore},
		"the same":          {wire.Encode(headOf(held, true)), pubsub.ValidationIgnore},
		"name not admitted": {wire.Encode(headOf(trusttest.Record(t, wide, signer, "b", nil, v0), true)), pubsub.ValidationIgnore},
		"key not known":     {wire.Encode(headOf(trusttest.Record(t, unknown, trusttest.Signer(9), "a", nil, v0+40), true)), pubsub.ValidationIgnore},
	} {
		if got := n.Replica.Judge(from, c.data); got != c.want {
			t.Errorf("%s: verdict %d, want %d", name, got, c.want)
		}
	}
	if !n.Holds(held) {
		t.Error("the held record has changed")
	}
	if r := n.Index.Refusals(); len(r) != 1 || r[0].Name != "a" || r[0].Origin != from.String() {
		t.Errorf("refusals: %+v", r)
	}
	if got := n.Replica.Judge(from, wire.Encode(news)); got != pubsub.ValidationAccept {
		t.Errorf("news: verdict %d", got)
	}
	replicatest.Eventually(t, "the news are held", func() bool {
		e, _ := n.Index.Get(held.Name())
		return e.Record.Version() == v0+20
	})
	if got := n.Replica.Judge(from, ttl()); got != pubsub.ValidationIgnore {
		t.Errorf("lifetime over: verdict %d", got)
	}
	replicatest.Eventually(t, "it supersedes all the same", func() bool {
		e, _ := n.Index.Get(held.Name())
		return e.Expired && e.Record.Version() == v0+30
	})
}
