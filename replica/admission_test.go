package replica_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/peer"
)

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

// TestRefusalsInTheLogAreBounded: whoever makes keys and connects again and again gets a few lines.
func TestRefusalsInTheLogAreBounded(t *testing.T) {
	t.Parallel()
	tell, _, most := replica.Told()
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
