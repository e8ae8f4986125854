// Package trusttest makes keys, signatures and records for tests, always the same from the same
// arguments. Only tests import it.
package trusttest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"dmfs/trust"
)

// Signer returns the i-th signer. Anybody can compute it: it signs nothing but tests.
func Signer(i int) *trust.Signer {
	seed := sha256.Sum256(fmt.Appendf(nil, "dmfs test signer %d", i))
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	s, err := trust.ParseSigner(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil)
	if err != nil {
		panic(err)
	}
	return s
}

// Name parses a name.
func Name(t testing.TB, s string) trust.Name {
	t.Helper()
	n, err := trust.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Policy returns a policy without network under which the signer may sign each of the names.
func Policy(t testing.TB, s *trust.Signer, names ...string) *trust.Policy {
	t.Helper()
	files := make(map[trust.Name][]trust.PublicKey)
	for _, n := range names {
		files[Name(t, n)] = []trust.PublicKey{s.Public()}
	}
	p, err := trust.NewPolicy(trust.Rules{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Sign returns the text of a signature file for a content, without network or lifetime.
func Sign(t testing.TB, s *trust.Signer, name string, content []byte, v trust.Version) []byte {
	t.Helper()
	return state(t, s, content, trust.Statement{Name: Name(t, name), Version: v})
}

// Record signs a content and has the policy prove it.
func Record(t testing.TB, p *trust.Policy, s *trust.Signer, name string, content []byte, v trust.Version) trust.Record {
	t.Helper()
	return prove(t, p, trust.NewClaim(Name(t, name), Sign(t, s, name, content, v), content), v)
}

// Tombstone signs a deletion and has the policy prove it.
func Tombstone(t testing.TB, p *trust.Policy, s *trust.Signer, name string, v trust.Version) trust.Record {
	t.Helper()
	sig := state(t, s, nil, trust.Statement{Name: Name(t, name), Version: v, Deleted: true})
	return prove(t, p, trust.NewClaim(Name(t, name), sig, nil), v)
}

func state(t testing.TB, s *trust.Signer, content []byte, st trust.Statement) []byte {
	t.Helper()
	sig, err := s.Sign(trust.DigestOf(content), st)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func prove(t testing.TB, p *trust.Policy, c trust.Claim, v trust.Version) trust.Record {
	t.Helper()
	r, err := p.Verify(c, v.Time().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Certify has the issuer, the network's key or an authority's with its chain, certify a key from 2026
// to 2036. Unlike the rest of this package it gives another serial number each time.
func Certify(t testing.TB, issuer *trust.Signer, above trust.Chain, k trust.Key, name string) trust.Chain {
	t.Helper()
	return certify(t, issuer, above, trust.CertificateSpec{Name: name, Key: k})
}

// Authority does the same for an authority.
func Authority(t testing.TB, issuer *trust.Signer, above trust.Chain, k trust.Key, name string) trust.Chain {
	t.Helper()
	return certify(t, issuer, above, trust.CertificateSpec{Name: name, Key: k, Authority: true})
}

func certify(t testing.TB, issuer *trust.Signer, above trust.Chain, spec trust.CertificateSpec) trust.Chain {
	t.Helper()
	spec.NotBefore = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	spec.NotAfter = time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	chain, err := issuer.Certify(spec, above)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}
