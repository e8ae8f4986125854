package replica_test

import (
	"bytes"
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

// TestExpiredNodeSaysSoAndKeepsTrying: both sides of the refusal are in the logs, and a new certificate
// is all that it takes.
func TestExpiredNodeSaysSoAndKeepsTrying(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	for _, listen := range []string{overQUIC, overTCP} {
		old := newMember(t, 1, p, certify(t, authority, keyOf(1), "old", -2*time.Hour, -time.Hour))
		other := named(t, 2, p)
		other.Config.Listen = []string{listen}
		other.Start(t)
		old.Config.Bootstrap = other.Replica.Addrs()
		old.Start(t)
		replicatest.Eventually(t, "all is said", func() bool {
			return old.log.count("this node's certificate is not valid", "ended at") == 1 &&
				old.log.count("not admitted by a peer", "expired") == 1 &&
				other.log.count("peer is not admitted", "ended at", "renew it with") == 1
		})
		if old.sees(2) || other.sees(1) {
			t.Errorf("%s: they are connected", listen)
		}
		old.renew(certify(t, authority, keyOf(1), "old", -time.Hour, time.Hour))
		replicatest.Eventually(t, "it is admitted", func() bool { return old.sees(2) && other.sees(1) })
		if old.log.count("this node's certificate is valid", "name=old") != 1 {
			t.Errorf("%s: the renewal is not in the log", listen)
		}
	}
}

// TestRenewalKeepsTheConnection: also in the index of the peer, where records of the member are proved.
func TestRenewalKeepsTheConnection(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	a := newMember(t, 1, p, certify(t, authority, keyOf(1), "before", -time.Hour, time.Hour))
	b := named(t, 2, p)
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.Eventually(t, "both know each other", func() bool { return a.sees(2) && b.sees(1) })
	since := b.Replica.Peers()[0].Since
	renewed := certify(t, authority, keyOf(1), "after", -time.Hour, 2*time.Hour)
	a.renew(renewed)
	replicatest.Eventually(t, "the peer has the new certificate", func() bool {
		c, _ := b.Index.Certificate(keyOf(1))
		return b.Replica.Peers()[0].Name == "after" && bytes.Equal(c.DER(), renewed.DER())
	})
	if now := b.Replica.Peers()[0]; !now.Connected || !now.Since.Equal(since) {
		t.Errorf("the connection was not kept: %+v", now)
	}
}

// TestWhoIsNoMemberAnyMoreIsDisconnected: the certificate ends, or is revoked in either way.
func TestWhoIsNoMemberAnyMoreIsDisconnected(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		lasts  time.Duration
		revoke func(*trust.Rules, trust.Member)
		reason string
	}{
		"end":    {8 * time.Second, nil, "ended at"},
		"serial": {time.Hour, func(r *trust.Rules, m trust.Member) { r.RevokedCertificates = []string{m.Serial} }, "revoked"},
		"key":    {time.Hour, func(r *trust.Rules, m trust.Member) { r.RevokedKeys = []trust.Key{m.Key} }, "revoked"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := networkPolicy(t, nil, "a")
			chain := certify(t, authority, keyOf(1), "leaving", -time.Hour, c.lasts)
			leaving, other := newMember(t, 1, p, chain), named(t, 2, p)
			leaving.Start(t)
			other.Config.Bootstrap = leaving.Replica.Addrs()
			other.Start(t)
			replicatest.Eventually(t, "they are connected", func() bool {
				return leaving.log.count("peer connected") > 0 && other.log.count("peer connected") > 0
			})
			if c.revoke != nil {
				m, err := p.VerifyMember(chain, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if err := other.Index.SetPolicy(networkPolicy(t, func(r *trust.Rules) { c.revoke(r, m) }, "a")); err != nil {
					t.Fatal(err)
				}
				other.Replica.PolicyChanged()
			}
			replicatest.Eventually(t, "they are not connected, and both know why", func() bool {
				return !leaving.sees(2) && !other.sees(1) && other.log.count("peer is not admitted", c.reason) == 1
			})
		})
	}
}

// TestNewPolicyIsFollowedAtOnce: what it admits is fetched without waiting for the timer.
func TestNewPolicyIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	narrow, wide := networkPolicy(t, nil, "a"), networkPolicy(t, nil, "a", "b")
	a, b := named(t, 1, wide), named(t, 2, narrow)
	recs := []trust.Record{networkRecord(t, wide, "a", []byte("a")), networkRecord(t, wide, "b", []byte("b"))}
	a.Write(t, recs...)
	b.Config.SyncInterval = time.Hour
	a.Config.SyncInterval = time.Hour
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.AwaitHeld(t, []*replicatest.Node{b.Node}, recs[0])
	replicatest.Eventually(t, "it has declined the rest, and nothing makes it compare again", func() bool {
		peers := b.Replica.Peers()
		return len(peers) == 1 && peers[0].InSync && time.Since(peers[0].LastSync) > 3*time.Second
	})
	if err := b.Index.SetPolicy(wide); err != nil {
		t.Fatal(err)
	}
	b.Replica.PolicyChanged()
	replicatest.AwaitHeld(t, []*replicatest.Node{b.Node}, recs[1])
}

// TestRenewalProvesOldRecords: a record in a namespace whose certificate is over, of a member that we
// have seen renew it.
func TestRenewalProvesOldRecords(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, func(r *trust.Rules) { r.Namespaces = []string{"telemetry"} })
	owner := trusttest.Signer(600)
	name := trusttest.Name(t, "telemetry/"+base64Of(owner.Public().Key))
	sig, err := owner.Sign(trust.DigestOf([]byte("42")), trust.Statement{Name: name, Version: v0, Network: p.Network()})
	if err != nil {
		t.Fatal(err)
	}
	sig = append(sig, certify(t, authority, owner.Public().Key, "owner", -2*time.Hour, -time.Hour).PEM()...)
	head := wire.Head{
		Name: name.String(), Version: int64(v0), Signature: sig,
		Digest: trust.DigestOf([]byte("42")), Size: 2, Content: []byte("42"),
	}
	n := named(t, 1, p)
	n.Start(t)
	from, _ := peer.Decode(replica.PeerID(keyOf(2)))
	if got := n.Replica.Judge(from, wire.Encode(head)); got != pubsub.ValidationIgnore {
		t.Errorf("before the renewal: verdict %d", got)
	}
	if err := n.Index.Learn(certify(t, authority, owner.Public().Key, "owner", -time.Hour, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := n.Replica.Judge(from, wire.Encode(head)); got != pubsub.ValidationAccept {
		t.Errorf("after the renewal: verdict %d", got)
	}
	replicatest.Eventually(t, "it is held", func() bool {
		e, ok := n.Index.Get(name)
		return ok && e.Shown
	})
}
