package trust_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// now is when the tests of certificates happen.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// The keys of those tests.
var (
	networkKey, foreignKey   = trusttest.Signer(8), trusttest.Signer(9)
	memberKey, otherKey      = trusttest.Signer(1), trusttest.Signer(2)
	authorityKey, deputyKey  = trusttest.Signer(6), trusttest.Signer(7)
	fileKey                  = trusttest.Signer(3)
	noChain                  trust.Chain
	member, other, authority = memberKey.Public().Key, otherKey.Public().Key, authorityKey.Public().Key
	network, deputy          = networkKey.Public().Key, deputyKey.Public().Key
)

// issue certifies the member for a time around now.
func issue(t testing.TB, by *trust.Signer, above trust.Chain, from, to time.Duration) trust.Chain {
	t.Helper()
	c, err := by.Certify(trust.CertificateSpec{Name: "ann", Key: member, NotBefore: now.Add(from), NotAfter: now.Add(to)}, above)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issueAny signs any certificate, as no rule of ours would.
func issueAny(t testing.TB, by *trust.Signer, parent trust.Chain, change func(*x509.Certificate)) trust.Chain {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "ann"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
	}
	change(c)
	above := &x509.Certificate{}
	if !parent.IsZero() {
		all, err := x509.ParseCertificates(parent.DER())
		if err != nil {
			t.Fatal(err)
		}
		above = all[0]
	}
	der, err := x509.CreateCertificate(nil, c, above, ed25519.PublicKey(member[:]), by.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	chain, err := trust.ParseChainDER(append(der, parent.DER()...))
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

func TestMembers(t *testing.T) {
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	sub := trusttest.Authority(t, authorityKey, ca, deputy, "rack")
	foreignCA := trusttest.Authority(t, foreignKey, noChain, authority, "site")
	plain := trusttest.Certify(t, networkKey, noChain, authority, "site") // no authority
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	below := trusttest.Certify(t, authorityKey, ca, member, "ann")
	deep := trusttest.Certify(t, deputyKey, sub, member, "ann")
	over := issue(t, networkKey, noChain, -2*time.Hour, -time.Hour)
	overCA, err := networkKey.Certify(trust.CertificateSpec{Name: "site", Key: authority, Authority: true, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}, noChain)
	if err != nil {
		t.Fatal(err)
	}
	serial := func(c trust.Chain) string { return verified(t, c).Serial }
	isCA := func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }
	named := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { isCA(c); c.Subject.CommonName = name }
	}
	site := issueAny(t, networkKey, noChain, named("site"))
	rack := issueAny(t, memberKey, site, named("rack"))
	shelf := issueAny(t, memberKey, rack, named("shelf"))
	for _, c := range []struct {
		what  string
		chain trust.Chain
		rules trust.Rules
		want  error
	}{
		{"issued by the network", direct, trust.Rules{}, nil},
		{"through an authority", below, trust.Rules{}, nil},
		{"through two", deep, trust.Rules{}, nil},
		{"authority known to the policy only", leafOf(t, below), trust.Rules{Authorities: []trust.Chain{ca}}, nil},
		{"two, known to the policy only", leafOf(t, deep), trust.Rules{Authorities: []trust.Chain{sub}}, nil},
		{"through two that others made", issueAny(t, memberKey, rack, func(*x509.Certificate) {}), trust.Rules{}, nil},
		{"one here, one there", leafOf(t, deep), trust.Rules{Authorities: []trust.Chain{leafOf(t, sub), ca}}, nil},
		{"certificates that nobody needs behind it", joined(t, direct, over, foreignCA), trust.Rules{}, nil},
		{"authority expired, another one known", joined(t, leafOf(t, below), overCA), trust.Rules{Authorities: []trust.Chain{ca}}, nil},
		{"not yet valid, within the skew", issue(t, networkKey, noChain, 30*time.Second, time.Hour), trust.Rules{}, nil},
		{"not yet valid, within a skew that was set", issue(t, networkKey, noChain, time.Minute, time.Hour), trust.Rules{ClockSkew: time.Minute}, nil},
		{"last second", issue(t, networkKey, noChain, -time.Hour, time.Second), trust.Rules{}, nil},
		{"another certificate revoked", direct, trust.Rules{RevokedCertificates: []string{"77"}, RevokedKeys: []trust.Key{other}}, nil},
		{"no usages, as openssl makes it", issueAny(t, networkKey, noChain, func(*x509.Certificate) {}), trust.Rules{}, nil},

		{"none", noChain, trust.Rules{}, trust.ErrUnknownKey},
		{"other network", trusttest.Certify(t, foreignKey, noChain, member, "ann"), trust.Rules{}, trust.ErrUnknownKey},
		{"other network's authority", trusttest.Certify(t, authorityKey, foreignCA, member, "ann"), trust.Rules{}, trust.ErrUnknownKey},
		{"signed by itself", trusttest.Certify(t, memberKey, noChain, member, "ann"), trust.Rules{}, trust.ErrUnknownKey},
		{"authority missing", leafOf(t, below), trust.Rules{}, trust.ErrUnknownKey},
		{"authority of the same name and another key", joined(t, leafOf(t, below), trusttest.Authority(t, networkKey, noChain, deputy, "site")), trust.Rules{}, trust.ErrUnknownKey},
		{"issued by a member", issueAny(t, authorityKey, plain, func(*x509.Certificate) {}), trust.Rules{}, trust.ErrUnknownKey},
		{"issued by an authority that may not sign certificates", issueAny(t, memberKey, issueAny(t, networkKey, noChain, func(c *x509.Certificate) {
			isCA(c)
			c.KeyUsage, c.Subject.CommonName = x509.KeyUsageDigitalSignature, "site"
		}), func(*x509.Certificate) {}), trust.Rules{}, trust.ErrUnknownKey},
		{"authority below one that may have none", issueAny(t, memberKey, issueAny(t, memberKey, issueAny(t, networkKey, noChain, func(c *x509.Certificate) {
			isCA(c)
			c.MaxPathLenZero, c.Subject.CommonName = true, "site"
		}), func(c *x509.Certificate) { isCA(c); c.Subject.CommonName = "rack" }), func(*x509.Certificate) {}), trust.Rules{}, trust.ErrUnknownKey},
		{"too long, with the policy's authority", joined(t, issueAny(t, memberKey, leafOf(t, shelf), func(*x509.Certificate) {}), leafOf(t, rack)), trust.Rules{Authorities: []trust.Chain{site}}, trust.ErrUnknownKey},
		{"an authority's", ca, trust.Rules{}, trust.ErrMalformed},
		{"not for signing", issueAny(t, networkKey, noChain, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), trust.Rules{}, trust.ErrMalformed},
		{"no name", issueAny(t, networkKey, noChain, func(c *x509.Certificate) { c.Subject = pkix.Name{} }), trust.Rules{}, trust.ErrMalformed},
		{"name that is a path", issueAny(t, networkKey, noChain, func(c *x509.Certificate) { c.Subject.CommonName = "../ann" }), trust.Rules{}, trust.ErrMalformed},
		{"name too long", issueAny(t, networkKey, noChain, func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("a", 65) }), trust.Rules{}, trust.ErrMalformed},
		{"expired", over, trust.Rules{}, trust.ErrExpired},
		{"expired this moment", issue(t, networkKey, noChain, -time.Hour, 0), trust.Rules{}, trust.ErrExpired},
		{"expired, and another way that leads nowhere", joined(t, over, foreignCA), trust.Rules{}, trust.ErrExpired},
		{"authority expired", joined(t, leafOf(t, below), overCA), trust.Rules{}, trust.ErrExpired},
		{"not yet valid, beyond the skew", issue(t, networkKey, noChain, 31*time.Second, time.Hour), trust.Rules{}, trust.ErrFuture},
		{"serial revoked", direct, trust.Rules{RevokedCertificates: []string{serial(direct)}}, trust.ErrRevoked},
		{"serial revoked as openssl shows it", direct, trust.Rules{RevokedCertificates: []string{colons(serial(direct))}}, trust.ErrRevoked},
		{"authority's serial revoked", issueAny(t, memberKey, issueAny(t, networkKey, noChain, func(c *x509.Certificate) { isCA(c); c.Subject.CommonName = "site" }), func(c *x509.Certificate) { c.SerialNumber = big.NewInt(5) }), trust.Rules{RevokedCertificates: []string{"4d"}}, trust.ErrRevoked},
		{"key revoked", direct, trust.Rules{RevokedKeys: []trust.Key{member}}, trust.ErrRevoked},
		{"authority's key revoked", below, trust.Rules{RevokedKeys: []trust.Key{authority}}, trust.ErrRevoked},
		{"revoked and expired", over, trust.Rules{RevokedKeys: []trust.Key{member}}, trust.ErrRevoked},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.rules.Network = network
			m, err := newPolicy(t, c.rules).VerifyMember(c.chain, now)
			if c.want != nil {
				wantRefusal(t, err, c.want)
				if m != (trust.Member{}) {
					t.Errorf("refused, but gave %+v", m)
				}
				return
			}
			if err != nil || m.Key != member || m.Name != "ann" || m.Key != c.chain.Key() || !m.NotAfter.After(now) || m.NotBefore.Before(m.Issued) {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	_, err = newPolicy(t, trust.Rules{}).VerifyMember(direct, now)
	wantRefusal(t, err, trust.ErrUnknownKey)
}

// verified proves a chain under the plainest policy.
func verified(t testing.TB, c trust.Chain) trust.Member {
	t.Helper()
	m, err := newPolicy(t, trust.Rules{Network: network}).VerifyMember(c, now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// leafOf returns the first certificate of a chain alone.
func leafOf(t testing.TB, c trust.Chain) trust.Chain {
	t.Helper()
	all, err := x509.ParseCertificates(c.DER())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := trust.ParseChainDER(all[0].Raw)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// joined puts chains behind each other. One that is too long is refused here.
func joined(t testing.TB, chains ...trust.Chain) trust.Chain {
	t.Helper()
	var der []byte
	for _, c := range chains {
		der = append(der, c.DER()...)
	}
	c, err := trust.ParseChainDER(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func colons(serial string) string {
	var pairs []string
	for pair := range slices.Chunk([]byte(strings.ToUpper(serial)), 2) {
		pairs = append(pairs, string(pair))
	}
	return strings.Join(pairs, ":")
}

// TestMemberEndsWithItsAuthority gives the leaf a longer life than the certificate above it has.
func TestMemberEndsWithItsAuthority(t *testing.T) {
	short, err := networkKey.Certify(trust.CertificateSpec{Name: "site", Key: authority, Authority: true, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour)}, noChain)
	if err != nil {
		t.Fatal(err)
	}
	long := trusttest.Authority(t, networkKey, noChain, authority, "site")
	leaf := leafOf(t, issue(t, authorityKey, long, -time.Hour, 48*time.Hour))
	m := verified(t, joined(t, leaf, short))
	if want := now.Add(time.Hour); !m.NotAfter.Equal(want) || !m.NotBefore.Equal(now.Add(-time.Minute)) || !m.Issued.Equal(now.Add(-time.Hour)) {
		t.Errorf("%+v; want its end at %v", m, want)
	}
	for _, both := range []trust.Chain{joined(t, leaf, short, long), joined(t, leaf, long, short)} {
		if m := verified(t, both); !m.NotAfter.Equal(now.Add(48 * time.Hour)) {
			t.Errorf("of two ways it takes the one that ends at %v", m.NotAfter)
		}
	}
}

func TestCertifyRefuses(t *testing.T) {
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	sub := trusttest.Authority(t, authorityKey, ca, deputy, "rack")
	plain := trusttest.Certify(t, networkKey, noChain, authority, "site")
	for _, c := range []struct {
		what   string
		change func(*trust.CertificateSpec)
		by     *trust.Signer
		above  trust.Chain
		want   error
	}{
		{"no name", func(s *trust.CertificateSpec) { s.Name = "" }, networkKey, noChain, trust.ErrName},
		{"name is a path", func(s *trust.CertificateSpec) { s.Name = "a/b" }, networkKey, noChain, trust.ErrName},
		{"name is reserved", func(s *trust.CertificateSpec) { s.Name = ".dmfs" }, networkKey, noChain, trust.ErrName},
		{"name too long", func(s *trust.CertificateSpec) { s.Name = strings.Repeat("a", 65) }, networkKey, noChain, trust.ErrName},
		{"no key", func(s *trust.CertificateSpec) { s.Key = trust.Key{} }, networkKey, noChain, trust.ErrMalformed},
		{"ends before it begins", func(s *trust.CertificateSpec) { s.NotAfter = s.NotBefore }, networkKey, noChain, trust.ErrMalformed},
		{"ends in the second in which it begins", func(s *trust.CertificateSpec) { s.NotAfter = s.NotBefore.Add(time.Second / 2) }, networkKey, noChain, trust.ErrMalformed},
		{"outlives its issuer", func(s *trust.CertificateSpec) { s.NotAfter = now.AddDate(20, 0, 0) }, authorityKey, ca, trust.ErrMalformed},
		{"issuer's chain is another's", func(*trust.CertificateSpec) {}, networkKey, ca, trust.ErrMismatch},
		{"issuer is a member", func(*trust.CertificateSpec) {}, authorityKey, plain, trust.ErrNotAllowed},
		{"third authority", func(s *trust.CertificateSpec) { s.Authority = true }, deputyKey, sub, trust.ErrTooLarge},
	} {
		t.Run(c.what, func(t *testing.T) {
			spec := trust.CertificateSpec{Name: "ann", Key: member, NotBefore: now, NotAfter: now.Add(time.Hour)}
			c.change(&spec)
			chain, err := c.by.Certify(spec, c.above)
			wantRefusal(t, err, c.want)
			if !chain.IsZero() {
				t.Error("refused, but gave a chain")
			}
		})
	}
}
