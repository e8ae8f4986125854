package replica_test

import (
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestHostileFreeze: whatever the adversary does to hold news back, they reach all on the way around it.
// It is connected to everybody and takes part in gossip, of which it passes nothing on.
func TestHostileFreeze(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		answer func(*testing.T, *siege, *atomic.Int32)
		fault  string
	}{
		"nothing new":          {func(_ *testing.T, s *siege, n *atomic.Int32) { s.bad.echoes(); n.Store(9) }, "says that it holds whatever it hears of"},
		"an old state":         {staysBehind, ""},
		"no answer":            {neverAnswers, "does not answer in time"},
		"one byte at a time":   {drips, "does not answer in time"},
		"another protocol":     {func(_ *testing.T, s *siege, n *atomic.Int32) { s.bad.host.RemoveStreamHandler(s.bad.fetch); n.Store(9) }, ""},
		"streams that are cut": {cuts, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := besiege(t, nil, "a")
			rec := s.sign(t, "a", []byte("a"), v0)
			s.nodes[0].Write(t, rec)
			replicatest.AwaitHeld(t, s.honest(), rec)
			var acts atomic.Int32
			c.answer(t, s, &acts)
			swallow(t, s)
			s.attack(t)
			s.works(t)
			replicatest.Eventually(t, "the adversary has acted", func() bool { return acts.Load() >= 3 })
			s.works(t)
			if c.fault != "" {
				s.logged(t, c.fault)
			}
			s.bounded(t)
		})
	}
}

// swallow has the adversary take part in gossip and pass nothing on.
func swallow(t *testing.T, s *siege) {
	t.Helper()
	s.bad.listens(t, func([]byte) bool { return false })
}

func staysBehind(t *testing.T, s *siege, acts *atomic.Int32) {
	old := s.sign(t, "fresh", []byte("old"), v0-1)
	tree := summary.Tree{}.Put(promise("fresh", int64(old.Version()), stampOf(old)))
	s.bad.lists(func() (summary.Tree, []wire.Head) {
		acts.Add(1)
		return tree, []wire.Head{headOf(old, true)}
	})
}

func neverAnswers(_ *testing.T, s *siege, acts *atomic.Int32) {
	silent := func(st network.Stream) { acts.Add(1); st.Read(make([]byte, 1)) }
	s.bad.host.SetStreamHandler(s.bad.sync, silent)
	s.bad.host.SetStreamHandler(s.bad.fetch, silent)
}

func cuts(_ *testing.T, s *siege, acts *atomic.Int32) {
	cut := func(st network.Stream) { acts.Add(1); st.Reset() }
	s.bad.host.SetStreamHandler(s.bad.sync, cut)
	s.bad.host.SetStreamHandler(s.bad.fetch, cut)
}

// drips answers right, at a byte a second.
func drips(t *testing.T, s *siege, acts *atomic.Int32) {
	drip := func(st network.Stream, m wire.Message) {
		defer st.Reset()
		acts.Add(1)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		b := wire.Encode(m)
		for _, c := range append([]byte{byte(len(b))}, b...) {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				return
			}
			if _, err := st.Write([]byte{c}); err != nil {
				return
			}
		}
	}
	s.bad.host.SetStreamHandler(s.bad.sync, func(st network.Stream) { drip(st, wire.Root{Hash: wire.Hash{1}}) })
	s.bad.host.SetStreamHandler(s.bad.fetch, func(st network.Stream) { drip(st, wire.Offer{Held: true, Size: 100_000}) })
}

// TestHostileSlowSource: the adversary is the first to tell of news, has them, and serves them so slowly
// that it is just worth waiting for, of its own files and of others'. All of it goes on while news of
// honest nodes, for which the adversary is asked first, come from elsewhere.
func TestHostileSlowSource(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil, "before", "after")
	before, after := s.sign(t, "before", pattern(300_000, 9), v0), s.sign(t, "after", pattern(300_000, 8), v0)
	var asked atomic.Int32
	s.bad.offers(func(st network.Stream, _ [64]byte) {
		asked.Add(1)
		wire.Write(st, wire.Offer{Held: true, Size: trust.MaxContent})
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if _, err := st.Write(pattern(64<<10, 1)); err != nil {
				return
			}
			select {
			case <-tick.C:
			case <-t.Context().Done():
				return
			}
		}
	})
	tell := func(rec trust.Record) {
		for _, n := range s.nodes[1:] {
			s.bad.gossip(t, n, wire.Encode(headOf(rec, false)))
		}
	}
	s.attack(t)
	tell(before)
	replicatest.Eventually(t, "it is asked first", func() bool { return asked.Load() >= 2 })
	for i := range 100 {
		own := s.signOwn(t, numbered("slow", 100)[i], pattern(100_000, byte(i)), v0)
		for _, n := range s.nodes {
			s.bad.gossip(t, n, wire.Encode(headOf(own, false)))
		}
	}
	replicatest.Eventually(t, "it is asked by all", func() bool { return asked.Load() >= 4 })
	tell(after)
	s.nodes[0].Write(t, before, after)
	replicatest.AwaitHeld(t, s.honest(), before, after)
	s.works(t)
	s.bounded(t)
}
