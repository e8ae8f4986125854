package replica_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// disguised returns a genuine head with another text where nobody signs, which makes it another message.
func disguised(h wire.Head, round int) wire.Head {
	_, signed, _ := bytes.Cut(h.Signature, []byte("\n"))
	h.Signature = fmt.Appendf(nil, "untrusted comment: %d\n%s", round, signed)
	return h
}

// TestHostileRollback: genuine old versions come back, by gossip and by sync, of a file and of a deleted
// one, also as if they were later; who has never seen anything believes them until an honest node is there.
func TestHostileRollback(t *testing.T) {
	t.Parallel()
	s := besiege(t, nil, "a", "gone")
	old := []trust.Record{s.sign(t, "a", []byte("old"), v0), s.sign(t, "gone", []byte("old"), v0)}
	now := []trust.Record{s.sign(t, "a", []byte("new"), v0+10), s.signBy(t, signer, trust.Chain{},
		trust.Statement{Name: trusttest.Name(t, "gone"), Version: v0 + 10, Deleted: true}, nil)}
	for _, recs := range [][]trust.Record{old, now} {
		s.nodes[0].Write(t, recs...)
		replicatest.AwaitHeld(t, s.honest(), recs...)
	}
	var pretend atomic.Bool
	var pulls atomic.Int32
	s.bad.lists(func() (tree summary.Tree, heads []wire.Head) {
		pulls.Add(1)
		for _, rec := range old {
			listed := promise(rec.Name().String(), int64(rec.Version()), stampOf(rec))
			if pretend.Load() {
				listed.Version += 1_000_000
				listed.Stamp[0]++
			}
			tree, heads = tree.Put(listed), append(heads, headOf(rec, true))
		}
		return tree, heads
	})
	before := s.seqs()
	s.attack(t)
	var rounds atomic.Int32
	untilTheEnd(t, func(round int) {
		for _, n := range s.nodes {
			var messages [][]byte
			for _, rec := range old {
				messages = append(messages, wire.Encode(disguised(headOf(rec, round%2 == 0), round)))
			}
			s.bad.gossip(t, n, messages...)
		}
		rounds.Add(1)
	})
	replicatest.Eventually(t, "much was replayed", func() bool { return rounds.Load() > 100 && pulls.Load() >= 3 })
	if after := s.seqs(); after != before {
		t.Errorf("changes %v before and %v after", before, after)
	}
	pretend.Store(true)
	for _, n := range s.nodes { // so that it is pulled from again
		s.bad.host.Network().ClosePeer(n.id(t))
	}
	s.attack(t)
	s.works(t)
	s.logged(t, "does not have what it lists")
	replicatest.AwaitHeld(t, s.honest(), now...)

	newcomer := named(t, 3, s.policy)
	newcomer.Config.SyncInterval = 20 * time.Millisecond
	pretend.Store(false)
	newcomer.Start(t)
	s.bad.connect(t, newcomer.Node)
	replicatest.AwaitHeld(t, []*replicatest.Node{newcomer.Node}, old...)
	s.bad.connect(t, newcomer.Node)
	newcomer.Stop(t)
	newcomer.Config.Bootstrap = s.nodes[1].Replica.Addrs()
	newcomer.Start(t)
	s.bad.connect(t, newcomer.Node)
	replicatest.AwaitHeld(t, []*replicatest.Node{newcomer.Node}, now...)
}

// seqs returns each node's newest change.
func (s *siege) seqs() (seqs [3]uint64) {
	for i, n := range s.nodes {
		seqs[i] = n.Index.Seq()
	}
	return seqs
}
