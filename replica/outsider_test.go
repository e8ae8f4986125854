package replica_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

func base64Of(k trust.Key) string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// outsider is a libp2p host that tries to get in.
type outsider struct {
	host host.Host
	log  *logged
}

// newOutsider makes one with the identity of the i-th node. It listens where asked.
func newOutsider(t testing.TB, i int, listen string, opts func(*slog.Logger) []libp2p.Option) *outsider {
	t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(trusttest.Signer(1000 + i).Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	o := &outsider{log: &logged{}}
	with := []libp2p.Option{libp2p.Identity(key), libp2p.DisableMetrics(), libp2p.ListenAddrStrings(listen)}
	if opts != nil {
		with = append(with, opts(slog.New(slog.NewTextHandler(o.log, nil)))...)
	}
	if o.host, err = libp2p.New(with...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.host.Close() })
	return o
}

// impostor makes one that takes part in the handshake, with this certificate.
func impostor(t testing.TB, i int, listen string, c trust.Chain) *outsider {
	t.Helper()
	return newOutsider(t, i, listen, func(log *slog.Logger) []libp2p.Option {
		return replica.Outsider(t.Context(), networkPolicy(t, nil), log, c)
	})
}

func (o *outsider) connect(t testing.TB, n *memberNode) error {
	t.Helper()
	info, err := peer.AddrInfoFromString(n.Replica.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	return o.host.Connect(t.Context(), *info)
}

// reaches tries every protocol and returns those that answered.
func (o *outsider) reaches(t testing.TB, n *memberNode) (answered []protocol.ID) {
	t.Helper()
	tries := append(replica.ProtocolsOf(authority.Public().Key),
		syncID, fetchID, identify.ID, identify.IDPush, ping.ID, pubsub.GossipSubID_v11, pubsub.GossipSubID_v12, pubsub.FloodSubID)
	for _, proto := range tries {
		o.host.Network().(*swarm.Swarm).Backoff().Clear(n.id(t))
		o.connect(t, n)
		ctx, cancel := context.WithTimeout(t.Context(), replicatest.Patience)
		s, err := o.host.NewStream(ctx, n.id(t), proto)
		if err == nil {
			answered = append(answered, proto)
			s.Reset()
		}
		cancel()
	}
	return answered
}

// TestOutsidersReachNothing: with every kind of certificate that is none, over each transport, they dial
// a node that has something to tell.
func TestOutsidersReachNothing(t *testing.T) {
	t.Parallel()
	key, day := keyOf(7), 24*time.Hour
	good := certify(t, authority, key, "outsider", -time.Hour, day)
	member, err := networkPolicy(t, nil).VerifyMember(good, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		chain  trust.Chain
		revoke func(*trust.Rules)
		told   string // to the outsider
		logged string // at the node
	}{
		"none":          {trust.Chain{}, nil, "not a certificate of this network", "no certificate"},
		"other network": {certify(t, trusttest.Signer(9), key, "outsider", -time.Hour, day), nil, "not a certificate of this network", "not of this network"},
		"expired":       {certify(t, authority, key, "outsider", -2*day, -day), nil, "expired", "ended at"},
		"not yet valid": {certify(t, authority, key, "outsider", time.Hour, day), nil, "not valid yet", "begins at"},
		"other key":     {certify(t, authority, keyOf(2), "node2", -time.Hour, day), nil, "another key", "another key"},
		"authority":     {trusttest.Authority(t, authority, trust.Chain{}, key, "ca"), nil, "malformed", "not a member's"},
		"revoked":       {good, func(r *trust.Rules) { r.RevokedCertificates = []string{member.Serial} }, "revoked", "revoked"},
		"key revoked":   {good, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{key} }, "revoked", "revoked"},
	} {
		for _, listen := range []string{overQUIC, overTCP} {
			t.Run(what+strings.ReplaceAll(listen, "/", "_"), func(t *testing.T) {
				t.Parallel()
				p := networkPolicy(t, c.revoke, "a")
				n := named(t, 1, p)
				n.Config.Listen = []string{listen}
				n.Write(t, networkRecord(t, p, "a", []byte("secret")))
				n.Start(t)
				o := impostor(t, 7, listen, c.chain)
				if got := o.reaches(t, n); len(got) > 0 {
					t.Errorf("reached %v", got)
				}
				if err := o.connect(t, n); err == nil {
					t.Error("a dial succeeded")
				}
				if o.log.count("not admitted by a peer", c.told) != 1 {
					t.Errorf("the outsider was not told:\n%s", o.log.text.String())
				}
				replicatest.Eventually(t, "it is in the log, once", func() bool {
					return n.log.count("peer is not admitted") == 1 && n.log.count("peer is not admitted", c.logged) == 1
				})
				if peers := n.Replica.Peers(); len(peers) > 0 {
					t.Errorf("peers: %+v", peers)
				}
				if agent, err := o.host.Peerstore().Get(n.id(t), "AgentVersion"); err == nil {
					t.Errorf("the node has told that it is %v", agent)
				}
			})
		}
	}
}

// TestPlainHostsReachNothing: libp2p as it comes, which knows nothing of a handshake; it gossips, too.
func TestPlainHostsReachNothing(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{overQUIC, overTCP} {
		p := networkPolicy(t, nil, "a")
		a, b := named(t, 1, p), named(t, 2, p)
		a.Config.Listen = []string{listen}
		a.Start(t)
		b.Config.Bootstrap = a.Replica.Addrs()
		b.Start(t)
		o := newOutsider(t, 7, listen, nil)
		ps, err := pubsub.NewGossipSub(t.Context(), o.host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign))
		if err != nil {
			t.Fatal(err)
		}
		topic, err := ps.Join("/dmfs/" + topicID() + "/heads/1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topic.Subscribe(); err != nil {
			t.Fatal(err)
		}
		o.connect(t, a)
		rec := networkRecord(t, p, "a", []byte("secret"))
		a.Write(t, rec)
		replicatest.AwaitHeld(t, []*replicatest.Node{b.Node}, rec)
		if got := o.reaches(t, a); len(got) > 0 {
			t.Errorf("%s: reached %v", listen, got)
		}
		if peers := topic.ListPeers(); len(peers) > 0 {
			t.Errorf("%s: it gossips with %v", listen, peers)
		}
		if protos, _ := o.host.Peerstore().GetProtocols(a.id(t)); len(protos) > 0 {
			t.Errorf("%s: it knows of %v", listen, protos)
		}
	}
}

func topicID() string {
	return strings.Split(string(replica.ProtocolsOf(authority.Public().Key)[0]), "/")[2]
}

// TestMembersDialNoOutsider: a node is led to an outsider, which would have it.
func TestMembersDialNoOutsider(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{overQUIC, overTCP} {
		p := networkPolicy(t, nil, "a")
		n := named(t, 1, p)
		o := impostor(t, 7, listen, certify(t, trusttest.Signer(9), keyOf(7), "outsider", -time.Hour, time.Hour))
		n.Config.Bootstrap = []string{o.host.Addrs()[0].String() + "/p2p/" + o.host.ID().String()}
		n.Start(t)
		replicatest.Eventually(t, "both have refused", func() bool {
			return n.log.count("peer is not admitted", "not of this network") == 1 &&
				o.log.count("not admitted by a peer", "not a certificate of this network") == 1
		})
		if n.sees(7) {
			t.Errorf("%s: connected", listen)
		}
	}
}

// TestNetworksDoNotMix: a node of a network and one of none.
func TestNetworksDoNotMix(t *testing.T) {
	t.Parallel()
	open := replicatest.New(t, 3, trusttest.Policy(t, signer, "a"), replica.Start)
	n := named(t, 1, networkPolicy(t, nil, "a"))
	n.Start(t)
	open.Config.Bootstrap = n.Replica.Addrs()
	open.Start(t)
	replicatest.Eventually(t, "it was turned away", func() bool { return n.log.count("peer is not admitted", "no membership was proved") == 1 })
	for _, peer := range append(open.Replica.Peers(), n.Replica.Peers()...) {
		if peer.LastSync != (time.Time{}) {
			t.Errorf("peer: %+v", peer)
		}
	}
}

// TestMemberShowsAnothersCertificate: over a connection where it was admitted by its own, which counts on.
func TestMemberShowsAnothersCertificate(t *testing.T) {
	t.Parallel()
	n := named(t, 1, networkPolicy(t, nil, "a"))
	n.Start(t)
	o := impostor(t, 7, overQUIC, certify(t, authority, keyOf(7), "insider", -time.Hour, time.Hour))
	if err := o.connect(t, n); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		chain []byte
		want  wire.Reason
	}{
		{certify(t, authority, keyOf(2), "another", -time.Hour, time.Hour).DER(), wire.OtherKey},
		{certify(t, authority, keyOf(7), "expired", -time.Hour, -time.Minute).DER(), wire.Expired},
		{noise(200), wire.Malformed},
		{nil, wire.NotOfNetwork},
		{certify(t, authority, keyOf(7), "insider", -time.Hour, time.Hour).DER(), wire.Admitted},
	} {
		s, err := o.host.NewStream(t.Context(), n.id(t), replica.ProtocolsOf(authority.Public().Key)[2])
		if err != nil {
			t.Fatal(err)
		}
		s.SetDeadline(time.Now().Add(replicatest.Patience))
		if err := wire.Write(s, wire.Member{Chain: c.chain}); err != nil {
			t.Fatal(err)
		}
		if v, err := wire.Read(bufio.NewReader(s), wire.MaxMember); err != nil || v != (wire.Verdict{Reason: c.want}) {
			t.Errorf("want %v: %v, %v", c.want, v, err)
		}
		io.Copy(io.Discard, s) // one at a time is served
		s.Reset()
	}
}
