package replica_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

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
