package replica_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// TestManyNodesBehindOneAddress: libp2p's own limits refuse the ninth.
func TestManyNodesBehindOneAddress(t *testing.T) {
	t.Parallel()
	rm, err := replica.NewResourceManager()
	if err != nil {
		t.Fatal(err)
	}
	defer rm.Close()
	for _, text := range []string{"/ip4/10.1.2.3/tcp/7946", "/ip4/10.1.2.3/udp/7946/quic-v1", "/ip6/fd00::1/tcp/7946"} {
		for i := range 70 {
			scope, err := rm.OpenConnection(network.DirInbound, false, ma.StringCast(text))
			if err != nil {
				t.Fatalf("connection %d from %s: %v", i, text, err)
			}
			id, _ := peer.Decode(replica.PeerID(trusttest.Signer(i).Public().Key))
			if err := scope.SetPeer(id); err != nil {
				t.Fatalf("connection %d from %s: %v", i, text, err)
			}
		}
	}
}

// TestClocksMayBeWrong: what QUIC shows must be valid for a machine that believes it is 2001, or 2150.
func TestClocksMayBeWrong(t *testing.T) {
	t.Parallel()
	n := replicatest.New(t, 1, trusttest.Policy(t, signer, "a"), replica.Start)
	n.Config.Listen = n.Config.Listen[:1]
	n.Start(t)
	addr, err := peer.AddrInfoFromString(n.Replica.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	port, err := addr.Addrs[0].ValueForProtocol(ma.P_UDP)
	if err != nil {
		t.Fatal(err)
	}
	var shown *x509.Certificate
	conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"libp2p"}, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
		shown, err = x509.ParseCertificate(raw[0])
		return err
	}}
	if c, err := quic.DialAddr(t.Context(), "127.0.0.1:"+port, conf, nil); err == nil {
		c.CloseWithError(0, "")
	}
	if shown == nil {
		t.Fatal("no certificate was shown")
	}
	for _, year := range []int{2001, 2150} {
		at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		if at.Before(shown.NotBefore) || at.After(shown.NotAfter) {
			t.Errorf("not valid in %d: %v to %v", year, shown.NotBefore, shown.NotAfter)
		}
	}
}

func TestStartRefusesBadAddresses(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	self := replica.PeerID(trusttest.Signer(1002).Public().Key)
	for _, c := range []struct{ listen, bootstrap string }{
		{listen: "/ip4/127.0.0.1"},
		{listen: "localhost:7946"},
		{bootstrap: "/ip4/127.0.0.1/tcp/7946"},
		{bootstrap: "/p2p/" + self},
	} {
		n := replicatest.New(t, 2, p, replica.Start)
		n.Config.Listen, n.Config.Bootstrap = append(n.Config.Listen, c.listen), []string{c.bootstrap}
		if c.listen == "" {
			n.Config.Listen = n.Config.Listen[:2]
		} else {
			n.Config.Bootstrap = nil
		}
		r, err := replica.Start(context.Background(), n.Config, n.Index)
		if err == nil {
			r.Close()
			t.Errorf("%+v: no error", c)
		} else if !contains(err.Error(), c.listen+c.bootstrap) {
			t.Errorf("%+v: the error does not name it: %v", c, err)
		}
	}
}

func TestOwnAddressIsSkipped(t *testing.T) {
	t.Parallel()
	n := replicatest.New(t, 1, trusttest.Policy(t, signer, "a"), func(ctx context.Context, cfg replica.Config, ix *index.Index) (*replica.Replica, error) {
		cfg.Bootstrap = []string{"/ip4/127.0.0.1/tcp/1/p2p/" + replica.PeerID(trusttest.Signer(1001).Public().Key)}
		return replica.Start(ctx, cfg, ix)
	})
	n.Start(t)
	if peers := n.Replica.Peers(); len(peers) != 0 {
		t.Errorf("peers: %+v", peers)
	}
}
