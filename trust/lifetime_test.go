package trust_test

import (
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// mortal signs for the network, with a lifetime that ended an hour ago.
func mortal(t testing.TB, s *trust.Signer, name string, content []byte, c trust.Chain) trust.Claim {
	t.Helper()
	n := trusttest.Name(t, name)
	sig, err := s.Sign(trust.DigestOf(content), trust.Statement{
		Name: n, Version: trust.VersionAt(now.Add(-2 * time.Hour)), TTL: time.Hour, Network: network,
	})
	if err != nil {
		t.Fatal(err)
	}
	return trust.NewClaim(n, append(sig, c.PEM()...), content)
}

// TestLifetimeIsTheLastQuestion: whatever else is wrong with what is over leaves no record.
func TestLifetimeIsTheLastQuestion(t *testing.T) {
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	over := issue(t, networkKey, noChain, -3*time.Hour, -time.Hour)
	bounded := func(name string) func(*trust.Rules) {
		return func(r *trust.Rules) {
			r.Bounds = map[trust.Name]trust.Bounds{trusttest.Name(t, name): {NotBefore: trust.VersionAt(now)}}
		}
	}
	for _, c := range []struct {
		what   string
		claim  trust.Claim
		change func(*trust.Rules)
		want   error
		before error // what Examine says, which asks less
	}{
		{"out of bounds", mortal(t, fileKey, "config.json", nil, noChain), bounded("config.json"), trust.ErrNotAllowed, trust.ErrNotAllowed},
		{"key revoked", mortal(t, fileKey, "config.json", nil, noChain), func(r *trust.Rules) { r.RevokedKeys = []trust.Key{fileKey.Public().Key} }, trust.ErrRevoked, trust.ErrRevoked},
		{"no certificate", mortal(t, memberKey, telemetry, nil, noChain), nil, trust.ErrUnknownKey, trust.ErrExpired},
		{"certificate revoked", mortal(t, memberKey, telemetry, nil, direct), func(r *trust.Rules) { r.RevokedCertificates = []string{verified(t, direct).Serial} }, trust.ErrRevoked, trust.ErrExpired},
		{"certificate over", mortal(t, memberKey, telemetry, nil, over), nil, trust.ErrExpired, trust.ErrExpired},
		{"policy that makes no sense", mortal(t, fileKey, trust.PolicyName, []byte("["), noChain), func(r *trust.Rules) { r.PolicySigners = []trust.PublicKey{fileKey.Public()} }, trust.ErrMalformed, trust.ErrExpired},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := namespacePolicy(t, c.change)
			_, err := p.Examine(c.claim.Name(), c.claim.Signature(), now)
			wantRefusal(t, err, c.before)
			r, err := p.Verify(c.claim, now)
			wantRefusal(t, err, c.want)
			if !r.IsZero() {
				t.Errorf("refused, but gave %+v", r)
			}
		})
	}
}

// TestOverSupersedes: what is over comes with a record that wins over what it superseded.
func TestOverSupersedes(t *testing.T) {
	p := namespacePolicy(t, nil)
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	older, err := p.Verify(publishAt(t, memberKey, telemetry, nil, direct, trust.VersionAt(now.Add(-3*time.Hour))), now)
	if err != nil {
		t.Fatal(err)
	}
	claim := mortal(t, memberKey, telemetry, []byte("x"), direct)
	for what, c := range map[string]trust.Claim{
		"whole":             claim,
		"head":              trust.NewHead(claim.Name(), claim.Signature(), trust.DigestOf([]byte("x"))),
		"certificate known": mortal(t, memberKey, telemetry, []byte("x"), noChain).WithCertificate(direct),
	} {
		t.Run(what, func(t *testing.T) {
			r, err := p.Verify(c, now)
			wantRefusal(t, err, trust.ErrExpired)
			if trust.Compare(r, older) <= 0 || r.Signer() != member || !r.ProvedBy(p) {
				t.Fatalf("%+v", r)
			}
			again, err := p.Verify(r.Claim(), now)
			wantRefusal(t, err, trust.ErrExpired)
			if trust.Compare(r, again) != 0 {
				t.Error("proved again it is another record")
			}
			if end, ok := r.Expires(); !ok || !end.Equal(now.Add(-time.Hour)) {
				t.Errorf("ended at %v, %v", end, ok)
			}
		})
	}
}
