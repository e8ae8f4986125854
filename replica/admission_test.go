package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
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

const (
	overQUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
	overTCP  = "/ip4/127.0.0.1/tcp/0"
)

var authority = trusttest.Signer(500) // the network's key

// networkPolicy returns a policy of the network.
func networkPolicy(t testing.TB, change func(*trust.Rules), names ...string) *trust.Policy {
	t.Helper()
	rules := trust.Rules{Network: authority.Public().Key, Files: make(map[trust.Name][]trust.PublicKey)}
	for _, n := range names {
		rules.Files[trusttest.Name(t, n)] = []trust.PublicKey{signer.Public()}
	}
	if change != nil {
		change(&rules)
	}
	p, err := trust.NewPolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// certify issues a certificate that is valid for these times from now.
func certify(t testing.TB, by *trust.Signer, k trust.Key, name string, from, to time.Duration) trust.Chain {
	t.Helper()
	now := time.Now()
	c, err := by.Certify(trust.CertificateSpec{Name: name, Key: k, NotBefore: now.Add(from), NotAfter: now.Add(to)}, trust.Chain{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keyOf returns the identity of the i-th node.
func keyOf(i int) trust.Key { return trusttest.Signer(1000 + i).Public().Key }

// networkRecord signs a content for the network.
func networkRecord(t testing.TB, p *trust.Policy, name string, content []byte) trust.Record {
	t.Helper()
	n := trusttest.Name(t, name)
	sig, err := signer.Sign(trust.DigestOf(content), trust.Statement{Name: n, Version: v0, Network: p.Network()})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := p.Verify(trust.NewClaim(n, sig, content), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// memberNode is a node whose certificate can be replaced.
type memberNode struct {
	*replicatest.Node
	chain atomic.Pointer[trust.Chain]
	log   *logged
}

// newMember returns the i-th node, not started, with a certificate.
func newMember(t testing.TB, i int, p *trust.Policy, c trust.Chain) *memberNode {
	t.Helper()
	m := &memberNode{Node: replicatest.New(t, i, p, replica.Start), log: &logged{}}
	m.chain.Store(&c)
	m.Config.Network = p.Network()
	m.Config.Certificate = func() trust.Chain { return *m.chain.Load() }
	m.Config.Log = slog.New(slog.NewTextHandler(m.log, nil))
	return m
}

// named returns the i-th node with a certificate for a day.
func named(t testing.TB, i int, p *trust.Policy) *memberNode {
	t.Helper()
	return newMember(t, i, p, certify(t, authority, keyOf(i), fmt.Sprint("node", i), -time.Hour, 24*time.Hour))
}

func (m *memberNode) renew(c trust.Chain) {
	m.chain.Store(&c)
	m.Replica.Renewed()
}

// sees reports whether a node is connected to the i-th one.
func (m *memberNode) sees(i int) bool {
	for _, p := range m.Replica.Peers() {
		if p.ID == replica.PeerID(keyOf(i)) && p.Connected {
			return true
		}
	}
	return false
}

func (m *memberNode) id(t testing.TB) peer.ID {
	t.Helper()
	id, err := peer.Decode(m.Replica.ID())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count returns how many lines contain all the words.
func (l *logged) count(words ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
lines:
	for _, line := range strings.Split(l.text.String(), "\n") {
		for _, w := range words {
			if !strings.Contains(line, w) {
				continue lines
			}
		}
		n++
	}
	return n
}

func TestMembersMeetOverEachTransport(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	for _, listen := range []string{overQUIC, overTCP} {
		a, b := named(t, 1, p), named(t, 2, p)
		a.Config.Listen, b.Config.Listen = []string{listen}, []string{listen}
		a.Start(t)
		b.Config.Bootstrap = a.Replica.Addrs()
		b.Start(t)
		rec := networkRecord(t, p, "a", []byte("content"))
		a.Write(t, rec)
		replicatest.AwaitHeld(t, []*replicatest.Node{b.Node}, rec)
		replicatest.Eventually(t, "both know each other", func() bool { return a.sees(2) && b.sees(1) })
		got := b.Replica.Peers()[0]
		if got.Name != "node1" || got.NotAfter.Before(time.Now().Add(23*time.Hour)) {
			t.Errorf("%s: peer: %+v", listen, got)
		}
		replicatest.Eventually(t, "the certificates are kept", func() bool {
			return len(a.Index.Members()) == 2 && len(b.Index.Members()) == 2
		})
		if n := a.log.count("WARN") + b.log.count("WARN") + b.log.count("ERROR"); n > 0 {
			t.Errorf("%s: %d lines of complaint", listen, n)
		}
	}
}

// TestMemberOfAnAuthority: the chain is shown with the certificate.
func TestMemberOfAnAuthority(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	branch := trusttest.Signer(501)
	above := trusttest.Authority(t, authority, trust.Chain{}, branch.Public().Key, "branch")
	a := newMember(t, 1, p, trusttest.Certify(t, branch, above, keyOf(1), "node1"))
	b := named(t, 2, p)
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.Eventually(t, "both know each other", func() bool { return a.sees(2) && b.sees(1) })
}

func TestStartWantsACertificate(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	day := func(by *trust.Signer, i int) trust.Chain {
		return certify(t, by, keyOf(i), "node", -time.Hour, 24*time.Hour)
	}
	for what, c := range map[string]struct {
		policy *trust.Policy
		chain  trust.Chain
		want   string
	}{
		"none":           {p, trust.Chain{}, "no certificate"},
		"another key's":  {p, day(authority, 2), "another key"},
		"stranger's":     {p, day(trusttest.Signer(9), 1), "not of this network"},
		"an authority's": {p, trusttest.Authority(t, authority, trust.Chain{}, keyOf(1), "ca"), "not a member's"},
		"other policy":   {trusttest.Policy(t, signer, "a"), day(authority, 1), "the policy is for"},
	} {
		n := newMember(t, 1, c.policy, c.chain)
		n.Config.Network = p.Network()
		r, err := replica.Start(t.Context(), n.Config, n.Index)
		if err == nil {
			r.Close()
			t.Errorf("%s: no error", what)
		} else if !contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

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

// TestRefusalsInTheLogAreBounded: whoever makes keys and connects again and again gets a few lines.
func TestRefusalsInTheLogAreBounded(t *testing.T) {
	t.Parallel()
	tell, most := replica.Told()
	begin := time.Unix(1e9, 0)
	lines, last := 0, 0
	for i := range 10 * most {
		for range 2 {
			first, end := tell(peer.ID(fmt.Sprint(i)), begin.Add(time.Duration(i)))
			if first {
				lines++
			}
			if end {
				last++
			}
		}
	}
	if lines != most || last != 1 {
		t.Errorf("%d lines and %d last ones of at most %d", lines, last, most)
	}
	if first, _ := tell("0", begin.Add(2*time.Hour)); !first {
		t.Error("nothing is logged two hours later")
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for addr, want := range map[net.Addr]string{
		&net.TCPAddr{IP: net.ParseIP("10.1.2.3"), Port: 1}:              "10.1.2.3/32",
		&net.UDPAddr{IP: net.ParseIP("::ffff:10.1.2.3"), Port: 2}:       "10.1.2.3/32",
		&net.UDPAddr{IP: net.ParseIP("2001:db8:1:2:3::4"), Port: 3}:     "2001:db8:1::/56",
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 4, Zone: "eth0"}: "fe80::/56",
		&net.UnixAddr{Name: "somewhere", Net: "unix"}:                   "",
	} {
		if got := replica.OriginOf(addr); got != want {
			t.Errorf("%v: %s, want %s", addr, got, want)
		}
	}
}

// TestCloseDuringHandshakes: nobody waits for strangers.
func TestCloseDuringHandshakes(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	ctx, cancel := context.WithCancel(t.Context())
	n := named(t, 1, p)
	r, err := replica.Start(ctx, n.Config, n.Index)
	if err != nil {
		t.Fatal(err)
	}
	dialSilently(t, r.Addrs())
	cancel()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
