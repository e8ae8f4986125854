package replica_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestHostileFiller: it fills its own namespace, which it may, with files, with deleted files and with
// versions, by gossip and by sync. The quota holds at each node.
func TestHostileFiller(t *testing.T) {
	t.Parallel()
	const files, bytes = 10, 64 << 10
	s := besiege(t, nil)
	for _, n := range s.nodes {
		n.Index.SetQuota(files, bytes)
	}
	var recs []trust.Record
	for i, name := range numbered("f", 300) {
		recs = append(recs, s.signOwn(t, name, pattern(3000, byte(i)), v0))
		if i%2 == 0 {
			recs = append(recs, s.signBy(t, s.bad.self, s.bad.chain, trust.Statement{Name: s.bad.own(t, name), Version: v0 + 1, Deleted: true}, nil))
		}
	}
	s.bad.having(true, recs...)
	s.attack(t)
	for _, n := range s.nodes {
		s.bad.gossip(t, n, encoded(recs...)...)
	}
	s.works(t)
	s.logged(t, "more in a namespace than its quota")
	for i, n := range s.nodes {
		used, shown, size := 0, 0, int64(0)
		for _, e := range n.Index.Entries() {
			if _, key, ok := s.policy.Namespace(e.Name); ok && key == keyOf(mallory) {
				used++
				if e.Shown {
					shown, size = shown+1, size+e.Size
				}
			}
		}
		if used > 10*files || shown > files || size > bytes {
			t.Errorf("node %d holds %d names, shows %d files and %d bytes in them", i, used, shown, size)
		}
		if n.log.count("misbehave", "name=mallory", "quota") != 1 {
			t.Errorf("node %d does not say so once", i)
		}
	}
	s.works(t)
}

// TestHostileVersions: it signs thousands of names in its namespace, and one name over and over, also other
// contents as of the same moment. That is its right, but only so many are taken, stored and passed on.
func TestHostileVersions(t *testing.T) {
	t.Parallel()
	const count = 2000
	s := besiege(t, nil)
	for _, n := range s.nodes {
		n.Index.SetQuota(2*count, 64<<20)
	}
	var recs []trust.Record
	for i, name := range numbered("f", count) {
		recs = append(recs, s.signOwn(t, name, []byte(name), v0))
		recs = append(recs, s.signOwn(t, "x", fmt.Appendf(nil, "%d", i), v0+trust.Version(i/2)))
	}
	listener := s.member(t, 700, "listener")
	passed := make(chan []byte, 4*count)
	listener.listens(t, func(data []byte) bool { passed <- data; return false })
	listener.connect(t, s.nodes[2].Node)
	s.works(t)
	before, begun, published := s.seqs(), time.Now(), s.written
	s.attack(t)
	for part := range slices.Chunk(recs, len(recs)/4) {
		s.bad.gossip(t, s.nodes[0], encoded(part...)...)
		s.works(t)
	}
	after, most := s.seqs(), replica.SignedBurst+int(replica.SignedRate*(time.Since(begun).Seconds()+1))
	for i := range after {
		// Each of the names has a directory, which is the same.
		if taken := int(after[i]-before[i]) - (s.written - published) - 1; taken > most {
			t.Errorf("node %d has taken %d versions, and may take %d", i, taken, most)
		}
	}
	relayed := 0
	for range len(passed) {
		m, _ := wire.Decode(<-passed)
		if h, ok := m.(wire.Head); ok && h.Name != "fresh" {
			relayed++
		}
	}
	if relayed > most {
		t.Errorf("%d versions were passed on, and %d may be", relayed, most)
	}
	if lines := s.nodes[0].log.count("misbehave", "name=mallory", "faster than they are taken"); lines != 1 {
		t.Errorf("it is in the log %d times", lines)
	}
	last := s.signOwn(t, "x", []byte("last"), v0+count)
	s.bad.having(true, last)
	for _, n := range s.nodes {
		s.bad.gossip(t, n, encoded(last)...)
	}
	replicatest.AwaitHeld(t, s.honest(), last)
	s.bounded(t)
}

// TestHostileReplaysCostTheirSender: a genuine version of another member, in a thousand disguises, does
// not use up what that member may have taken.
func TestHostileReplaysCostTheirSender(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil)
	s.attack(t)
	victim := s.member(t, 700, "victim")
	victim.connect(t, s.nodes[0].Node)
	for round := range 3 {
		st := trust.Statement{Name: victim.own(t, "x"), Version: v0 + trust.Version(round)}
		rec := s.signBy(t, victim.self, victim.chain, st, pattern(100, byte(round)))
		var replays [][]byte
		for i := range 1000 {
			replays = append(replays, wire.Encode(disguised(headOf(rec, i%2 == 0), i)))
		}
		for _, n := range s.nodes {
			s.bad.gossip(t, n, replays...)
		}
		replicatest.AwaitHeld(t, s.honest(), rec)
	}
	for i, n := range s.nodes {
		if n.log.count("name=victim", "faster than they are taken") > 0 {
			t.Errorf("node %d takes no more of the victim", i)
		}
	}
}

// TestHostileEquivocation: two contents as of one moment, each to another node. All end with one of them,
// and all warn.
func TestHostileEquivocation(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 100_000} {
		s := besiege(t, nil)
		one, two := s.signOwn(t, "x", pattern(size, 1), v0), s.signOwn(t, "x", pattern(size, 2), v0)
		winner, loser := one, two
		if trust.Compare(two, one) > 0 {
			winner, loser = two, one
		}
		s.bad.offers(func(st network.Stream, d [64]byte) {
			content, _ := one.Content()
			if d == two.Digest() {
				content, _ = two.Content()
			}
			wire.Write(st, wire.Offer{Held: true, Size: uint32(len(content))})
			st.Write(content)
		})
		s.attack(t)
		s.bad.gossip(t, s.nodes[1], wire.Encode(headOf(loser, size < 1000)))
		s.bad.gossip(t, s.nodes[2], wire.Encode(headOf(winner, size < 1000)))
		replicatest.AwaitHeld(t, s.honest(), winner)
		for _, n := range s.nodes {
			s.bad.gossip(t, n, wire.Encode(disguised(headOf(loser, false), 1)))
		}
		for i, n := range s.nodes {
			replicatest.Eventually(t, fmt.Sprintf("node %d warns", i), func() bool {
				w := n.Index.Warnings()
				return len(w) == 1 && w[0].Name == one.Name()
			})
		}
		replicatest.AwaitHeld(t, s.honest(), winner)
		s.works(t)
	}
}

// TestHostileStamps: versions of the far past and the far future in its namespace. They hurt its own
// names alone; where a policy says so, the latter are held off.
func TestHostileStamps(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, time.Hour} {
		s := besiege(t, func(r *trust.Rules) { r.MaxFuture = limit })
		past, future := trust.Version(1), trust.Version(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
		early := s.signOwn(t, "early", []byte("1970"), past)
		late := headOf(s.signOwn(t, "late", []byte("2099"), future), true)
		s.bad.having(true, s.signOwn(t, "late", []byte("2099"), future))
		s.attack(t)
		for _, n := range s.nodes {
			s.bad.gossip(t, n, wire.Encode(headOf(early, true)), wire.Encode(late))
		}
		replicatest.AwaitHeld(t, s.honest(), early)
		for i, n := range s.nodes {
			replicatest.Eventually(t, fmt.Sprintf("node %d has judged it", i), func() bool {
				_, held := n.Index.Get(s.bad.own(t, "late"))
				if limit == 0 {
					return held
				}
				return !held && len(n.Index.Refusals()) == 1 && n.Index.Refusals()[0].Name == late.Name
			})
		}
		s.works(t)
		s.logged(t, "signs versions of the future")
	}
}
