package replica_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestHostileContents: the adversary tells of genuine news before anybody else does, and then has other
// bytes, too few, too many or none for them. They come from the honest node that has them.
func TestHostileContents(t *testing.T) {
	t.Parallel()
	const size = 100_000
	for what, c := range map[string]struct {
		answer func(network.Stream)
		fault  string
	}{
		"other bytes": {func(st network.Stream) {
			wire.Write(st, wire.Offer{Held: true, Size: size})
			st.Write(pattern(size, 99))
		}, "sends another content"},
		"fewer bytes": {func(st network.Stream) {
			wire.Write(st, wire.Offer{Held: true, Size: size})
			st.Write(pattern(size/2, 1))
		}, ""},
		"a shorter content": {func(st network.Stream) {
			wire.Write(st, wire.Offer{Held: true, Size: 5})
			st.Write(pattern(5, 1))
		}, "sends another content"},
		"not held": {func(st network.Stream) { wire.Write(st, wire.Offer{}) }, "does not have what it lists"},
		"garbage":  {func(st network.Stream) { st.Write(noise(1000)) }, "malformed"},
		"too long": {func(st network.Stream) {
			wire.Write(st, wire.Offer{Held: true, Size: trust.MaxContent + 1})
		}, "malformed"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			names := numbered("f", 8)
			s := besiege(t, nil, names...)
			var recs []trust.Record
			for i, name := range names {
				recs = append(recs, s.sign(t, name, pattern(size, byte(i)), v0))
			}
			s.bad.having(false, recs...)
			s.bad.offers(func(st network.Stream, _ [64]byte) { c.answer(st); st.CloseWrite() })
			s.attack(t)
			for i, n := range s.nodes {
				replicatest.Eventually(t, fmt.Sprintf("node %d knows the adversary's list", i), func() bool {
					return c.fault == "" || n.log.count("misbehave", "name=mallory", c.fault) > 0
				})
				for _, rec := range recs {
					s.bad.gossip(t, n, wire.Encode(headOf(rec, false)))
				}
			}
			for i, rec := range recs {
				s.nodes[i%3].Write(t, rec)
			}
			replicatest.AwaitHeld(t, s.honest(), recs...)
			for i, n := range s.nodes {
				if lines := n.log.count("misbehave", "name=mallory", c.fault); c.fault != "" && lines != 1 {
					t.Errorf("node %d says it %d times", i, lines)
				}
			}
			s.works(t)
			s.bounded(t)
		})
	}
}

// TestHostilePromises: it lists many names, none of which it has, other ones each time.
func TestHostilePromises(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	trees := make([]summary.Tree, 3)
	for round := range trees {
		for i := range 10_000 {
			trees[round] = trees[round].Put(promise(fmt.Sprint(round, i), int64(v0), wire.Stamp{}))
		}
	}
	var lists atomic.Int32
	s.bad.lists(func() (summary.Tree, []wire.Head) { return trees[int(lists.Add(1))%len(trees)], nil })
	s.attack(t)
	s.logged(t, "does not have what it lists")
	s.works(t)
	replicatest.Eventually(t, "it has promised much", func() bool { return lists.Load() > 9 })
	s.works(t)
	s.bounded(t)
}
