package index_test

import (
	"encoding/base64"
	"testing"
	"time"

	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// network issues certificates; alice and bob are members.
var network = trusttest.Signer(9)

// union is a policy with the network and the namespaces ns and deep/ns, and whatever else rule says.
func union(t testing.TB, rule func(*trust.Rules)) *trust.Policy {
	t.Helper()
	r := trust.Rules{
		Network: network.Public().Key, Namespaces: []string{"ns", "deep/ns"},
		Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "f"): {alice.Public()}},
	}
	if rule != nil {
		rule(&r)
	}
	p, err := trust.NewPolicy(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// certificate is a member's, from now on.
func certificate(t testing.TB, issuer, s *trust.Signer, name string, validity time.Duration) trust.Chain {
	t.Helper()
	c, err := issuer.Certify(trust.CertificateSpec{
		Name: name, Key: s.Public().Key, NotBefore: time.Now(), NotAfter: time.Now().Add(validity),
	}, trust.Chain{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mine is a name below the signer's key in a namespace.
func mine(s *trust.Signer, ns, rest string) string {
	k := s.Public().Key
	return ns + "/" + base64.RawURLEncoding.EncodeToString(k[:]) + rest
}

// published is a record with a certificate behind its signature.
func published(t testing.TB, p *trust.Policy, s *trust.Signer, c trust.Chain, st trust.Statement, content string) trust.Record {
	t.Helper()
	st.Network = network.Public().Key
	sig, err := s.Sign(trust.DigestOf([]byte(content)), st)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Verify(trust.NewClaim(st.Name, append(sig, c.PEM()...), []byte(content)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// saying is what a record says that is no more than a version of a name.
func saying(t testing.TB, name string, v trust.Version) trust.Statement {
	t.Helper()
	return trust.Statement{Name: trusttest.Name(t, name), Version: v}
}

// stone is what a tombstone says.
func stone(t testing.TB, name string, v trust.Version) trust.Statement {
	t.Helper()
	return trust.Statement{Name: trusttest.Name(t, name), Version: v, Deleted: true}
}

func TestRevocation(t *testing.T) {
	p, name := union(t, nil), mine(alice, "ns", "")
	cert := certificate(t, network, alice, "a", 2*time.Hour)
	m, err := p.VerifyMember(cert, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	byKey := union(t, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{alice.Public().Key} })
	bySerial := union(t, func(r *trust.Rules) { r.RevokedCertificates = []string{m.Serial} })
	ix := indextest.Open(t, p)
	r := published(t, p, alice, cert, saying(t, name, 5), "one")
	apply(t, ix, r)
	for _, revoked := range []*trust.Policy{byKey, bySerial} {
		if err := ix.SetPolicy(revoked); err != nil {
			t.Fatal(err)
		}
		hidden(t, ix, name)
		offered(t, ix, r, trust.ErrRevoked)
		if len(ix.Members()) > 0 {
			t.Error("who is revoked is a member")
		}
		if err := ix.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		shows(t, ix, name, "one")
	}
	if err := ix.SetPolicy(bySerial); err != nil {
		t.Fatal(err)
	}
	if err := ix.Learn(certificate(t, network, alice, "a", time.Hour)); err != nil {
		t.Fatal(err) // it ends earlier than the revoked one
	}
	shows(t, ix, name, "one")
}

func TestLearn(t *testing.T) {
	p := union(t, nil)
	ix := indextest.Open(t, p)
	good := certificate(t, network, bob, "same", time.Hour)
	is(t, ix.Learn(certificate(t, bob, alice, "a", time.Hour), good), trust.ErrUnknownKey)
	is(t, ix.Learn(trust.Chain{}), trust.ErrUnknownKey)
	if err := ix.Learn(certificate(t, network, alice, "same", time.Hour), good); err != nil {
		t.Fatal(err)
	}
	if m := ix.Members(); len(m) != 2 || m[0].Name != "same" || m[0].Issued.Before(m[1].Issued) {
		t.Errorf("%+v", m)
	}
	if c, ok := ix.Certificate(bob.Public().Key); !ok || c.Key() != bob.Public().Key {
		t.Error("bob's certificate is not known")
	}
	if _, ok := ix.Certificate(network.Public().Key); ok {
		t.Error("a certificate that nobody made")
	}
}
