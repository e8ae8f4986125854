package replica_test

import (
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// TestHostileExpulsion: the certificate ends or is revoked while the adversary gossips, keeps streams open
// and offers contents. It is out, stays out, and what it published is seen no more.
func TestHostileExpulsion(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		lasts  time.Duration
		revoke func(*trust.Rules, trust.Member)
		reason string
	}{
		"end":    {6 * time.Second, nil, "ended at"},
		"serial": {time.Hour, func(r *trust.Rules, m trust.Member) { r.RevokedCertificates = []string{m.Serial} }, "revoked"},
		"key":    {time.Hour, func(r *trust.Rules, m trust.Member) { r.RevokedKeys = []trust.Key{m.Key} }, "revoked"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := besiege(t, nil)
			s.bad.host.Close()
			s.bad = newAdversary(t, mallory, s.policy, certify(t, authority, keyOf(mallory), "mallory", -time.Hour, c.lasts))
			own := s.signOwn(t, "x", []byte("mine"), v0)
			s.bad.having(true, own)
			s.attack(t)
			replicatest.AwaitHeld(t, s.honest(), own)
			var rounds atomic.Int32
			untilTheEnd(t, func(round int) {
				for _, n := range s.nodes {
					s.bad.gossip(t, n, wire.Encode(disguised(headOf(own, true), round)))
				}
				rounds.Add(1)
			})
			for _, n := range s.nodes {
				for _, proto := range []protocol.ID{s.bad.sync, s.bad.fetch} {
					st := s.bad.open(t, n.Node, proto)
					defer st.Reset()
				}
			}
			replicatest.Eventually(t, "the attack goes on", func() bool { return rounds.Load() > 3 })
			if c.revoke != nil {
				m, err := s.policy.VerifyMember(s.bad.chain, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				revoked := networkPolicy(t, func(r *trust.Rules) { r.Namespaces = []string{space}; c.revoke(r, m) }, "fresh")
				for _, n := range s.nodes {
					if err := n.Index.SetPolicy(revoked); err != nil {
						t.Fatal(err)
					}
					n.Replica.PolicyChanged()
				}
			}
			for _, n := range s.nodes {
				replicatest.Eventually(t, "it is out, and the node says why", func() bool {
					return n.Replica.Host().Network().Connectedness(s.bad.host.ID()) != network.Connected &&
						!n.sees(mallory) && n.log.count("peer is not admitted", c.reason) == 1
				})
				replicatest.Eventually(t, "it is not dialled", func() bool { return !n.knows(mallory) })
				replicatest.Eventually(t, "what it published is seen no more", func() bool {
					e, _ := n.Index.Get(own.Name())
					return !e.Shown
				})
			}
			s.works(t)
			at := rounds.Load()
			replicatest.Eventually(t, "it tries on", func() bool { return rounds.Load() > at+10 })
			for i, n := range s.nodes {
				if n.Replica.Host().Network().Connectedness(s.bad.host.ID()) == network.Connected {
					t.Errorf("node %d has let it in again", i)
				}
			}
			s.works(t)
		})
	}
}
