package replica_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/crypto"
	p2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"
)

// quicAddr returns the UDP address of a node that listens on QUIC.
func quicAddr(t testing.TB, addrs []string) string {
	t.Helper()
	for _, a := range addrs {
		if port, err := ma.StringCast(a).ValueForProtocol(ma.P_UDP); err == nil {
			return "127.0.0.1:" + port
		}
	}
	t.Fatal("no QUIC address")
	return ""
}

// dialSilently opens connections that prove keys and then say nothing, more than one origin may have.
func dialSilently(t testing.TB, addrs []string) {
	t.Helper()
	for i := range replica.MaxShakingOfOne + 4 {
		key, err := crypto.UnmarshalEd25519PrivateKey(trusttest.Signer(700 + i).Ed25519())
		if err != nil {
			t.Fatal(err)
		}
		id, err := p2ptls.NewIdentity(key)
		if err != nil {
			t.Fatal(err)
		}
		conf, _ := id.ConfigForPeer("")
		c, err := quic.DialAddr(t.Context(), quicAddr(t, addrs), conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseWithError(0, "") })
	}
}

// TestQUICShowsNoName: the certificate of TLS says nothing of the member, nor of the network.
func TestQUICShowsNoName(t *testing.T) {
	t.Parallel()
	n := newMember(t, 1, networkPolicy(t, nil, "a"), certify(t, authority, keyOf(1), "conspicuous", -time.Hour, time.Hour))
	n.Start(t)
	var shown []byte
	conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"libp2p"}, VerifyConnection: func(s tls.ConnectionState) error {
		shown = s.PeerCertificates[0].Raw
		return nil
	}}
	if c, err := quic.DialAddr(t.Context(), quicAddr(t, n.Replica.Addrs()), conf, nil); err == nil {
		c.CloseWithError(0, "")
	}
	network := authority.Public().Key
	switch {
	case len(shown) == 0:
		t.Error("no certificate was shown")
	case contains(string(shown), "conspicuous"), contains(string(shown), string(network[:])):
		t.Error("the certificate tells")
	}
}

// TestTCPTellsNothing: somebody who does not know the network's name gets no further than its lack.
func TestTCPTellsNothing(t *testing.T) {
	t.Parallel()
	n := named(t, 1, networkPolicy(t, nil, "a"))
	n.Config.Listen = []string{overTCP}
	n.Start(t)
	port, err := ma.StringCast(n.Replica.Addrs()[0]).ValueForProtocol(ma.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(replicatest.Patience))
	line := func(s string) string { return string(rune(len(s)+1)) + s + "\n" }
	for _, s := range []string{"/multistream/1.0.0", "/noise", "/tls/1.0.0", "ls"} {
		if _, err := io.WriteString(c, line(s)); err != nil {
			t.Fatal(err)
		}
	}
	c.(*net.TCPConn).CloseWrite()
	want := line("/multistream/1.0.0") + strings.Repeat(line("na"), 3)
	answer, err := io.ReadAll(io.LimitReader(c, int64(len(want))+1)) // it may end with a reset
	if string(answer) != want {
		t.Errorf("answered %q, %v", answer, err)
	}
}

// TestSilentStrangersDelayNobody: they fill the places of their own origin, for a moment.
func TestSilentStrangersDelayNobody(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	n, late := named(t, 1, p), named(t, 2, p)
	n.Start(t)
	dialSilently(t, n.Replica.Addrs())
	replicatest.Eventually(t, "there are too many", func() bool { return n.log.count("too many handshakes") >= 1 })
	late.Config.Bootstrap = n.Replica.Addrs()
	late.Start(t)
	replicatest.Eventually(t, "the member is admitted", func() bool { return n.sees(2) && late.sees(1) })
}
