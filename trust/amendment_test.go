package trust_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// The keys of the tests of the travelling policy.
var policyKey, deputyPolicyKey = trusttest.Signer(4), trusttest.Signer(5)

func amendment(t testing.TB, toml string) trust.Amendment {
	t.Helper()
	a, err := trust.ParseAmendment([]byte(toml))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// localPolicy declares a little of everything.
func localPolicy(t testing.TB) *trust.Policy {
	t.Helper()
	return namespacePolicy(t, func(r *trust.Rules) {
		r.PolicySigners = []trust.PublicKey{policyKey.Public(), deputyPolicyKey.Public()}
		r.Files[trusttest.Name(t, "dns/cnames")] = []trust.PublicKey{fileKey.Public()}
		r.Bounds = map[trust.Name]trust.Bounds{trusttest.Name(t, "dns/cnames"): {NotAfter: trust.VersionAt(now.Add(time.Hour))}}
	})
}

// amended applies a travelling policy to the local one.
func amended(t testing.TB, toml string) *trust.Policy {
	t.Helper()
	p, err := localPolicy(t).Amend(amendment(t, toml))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAmendmentAdds(t *testing.T) {
	key := otherKey.Public().Key
	p := amended(t, fmt.Sprintf(`
[files]
"motd" = [ %q, "%s" ]
"dns/zone" = [ %q ]
[network]
namespaces = [ "telemetry", "facts" ]
[bounds]
"motd" = { not_before = 2026-11-23T12:00:00Z }
"config.json" = { not_after = 2026-11-23T14:00:00.5+01:00 }
`, key, memberKey.Public(), key))
	if got, want := fmt.Sprint(p.Names(), p.Namespaces(), p.Dirs(), p.Overruled()),
		"[config.json dns/cnames dns/zone motd policy.toml] [facts telemetry] [dns facts telemetry] []"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	hour := trust.VersionAt(now.Add(time.Hour))
	for _, c := range []struct {
		what  string
		claim trust.Claim
		want  error
	}{
		{"added file", publish(t, otherKey, "motd", nil, noChain), nil},
		{"added file, second key", publish(t, memberKey, "motd", nil, noChain), nil},
		{"added file, at its bound", publishAt(t, otherKey, "motd", nil, noChain, trust.VersionAt(now)), nil},
		{"added file, before its bound", publishAt(t, otherKey, "motd", nil, noChain, trust.VersionAt(now)-1), trust.ErrNotAllowed},
		{"added file, wrong key", publish(t, fileKey, "motd", nil, noChain), trust.ErrNotAllowed},
		{"added namespace", publish(t, memberKey, strings.Replace(telemetry, "telemetry", "facts", 1), nil, direct), nil},
		{"local file", publish(t, fileKey, "config.json", nil, noChain), nil},
		{"local file, at a travelling bound", publishAt(t, fileKey, "config.json", nil, noChain, hour+5e8), nil},
		{"local file, after a travelling bound", publishAt(t, fileKey, "config.json", nil, noChain, hour+5e8+1), trust.ErrNotAllowed},
		{"local file, added file's key", publish(t, otherKey, "config.json", nil, noChain), trust.ErrNotAllowed},
		{"local namespace", publish(t, memberKey, telemetry, nil, direct), nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			r, err := p.Verify(c.claim, now)
			if c.want != nil {
				wantRefusal(t, err, c.want)
			} else if err != nil || !r.ProvedBy(p) || r.ProvedBy(p.Base()) {
				t.Errorf("%v; proved by the amended policy: %v", err, r.ProvedBy(p))
			}
		})
	}
	// Withdrawn again: an amendment replaces the one before.
	q, err := p.Amend(amendment(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(q.Names()), "[config.json dns/cnames policy.toml]"; got != want || q.Base() != p.Base() {
		t.Errorf("after an empty amendment %s; want %s", got, want)
	}
}

// TestAmendmentNeverOverrules tries every entry that would change what is local. Each is passed over
// and named, and what stands beside it holds.
func TestAmendmentNeverOverrules(t *testing.T) {
	key := otherKey.Public().Key
	for what, c := range map[string]struct{ toml, overruled string }{
		"file":                     {fmt.Sprintf("[files]\n\"config.json\" = [ %q ]", key), `[files] "config.json"`},
		"file below a file":        {fmt.Sprintf("[files]\n\"config.json/a/b\" = [ %q ]", key), `[files] "config.json/a/b"`},
		"file above a file":        {fmt.Sprintf("[files]\n\"dns\" = [ %q ]", key), `[files] "dns"`},
		"file in a namespace":      {fmt.Sprintf("[files]\n%q = [ %q ]", telemetry, key), `[files] "` + telemetry + `"`},
		"file over a namespace":    {fmt.Sprintf("[files]\n\"telemetry\" = [ %q ]", key), `[files] "telemetry"`},
		"namespace over a file":    {"[network]\nnamespaces = [ \"config.json\" ]", `[network] "config.json"`},
		"namespace above a file":   {"[network]\nnamespaces = [ \"dns\" ]", `[network] "dns"`},
		"namespace below a file":   {"[network]\nnamespaces = [ \"config.json/a\" ]", `[network] "config.json/a"`},
		"namespace in a namespace": {"[network]\nnamespaces = [ \"telemetry/a\" ]", `[network] "telemetry/a"`},
		"bound":                    {"[bounds]\n\"dns/cnames\" = { not_after = 2099-01-01T00:00:00Z }", `[bounds] "dns/cnames"`},
		"network's key":            {fmt.Sprintf("[revoked]\nkeys = [ %q ]", network), "[revoked] " + fmt.Sprintf("%q", network.String())},
		"same file":                {fmt.Sprintf("[files]\n\"config.json\" = [ %q ]", fileKey.Public().Key), ""},
		"same namespace":           {"[network]\nnamespaces = [ \"telemetry\" ]", ""},
	} {
		t.Run(what, func(t *testing.T) {
			p := amended(t, c.toml)
			if got := strings.Join(p.Overruled(), ","); got != c.overruled {
				t.Errorf("overruled %s; want %s", got, c.overruled)
			}
			if got, want := fmt.Sprint(p.Names(), p.Namespaces(), p.Dirs()), fmt.Sprint(p.Base().Names(), p.Base().Namespaces(), p.Base().Dirs()); got != want {
				t.Errorf("%s; want the local %s", got, want)
			}
			if _, err := p.Verify(publish(t, fileKey, "config.json", nil, noChain), now); err != nil {
				t.Errorf("the local file: %v", err)
			}
			if _, err := p.Verify(publish(t, memberKey, telemetry, nil, trusttest.Certify(t, networkKey, noChain, member, "ann")), now); err != nil {
				t.Errorf("the local namespace: %v", err)
			}
			_, err := p.Verify(publish(t, otherKey, "config.json", nil, noChain), now)
			if !isRefusal(err) {
				t.Error("the travelling key signs a local file")
			}
			_, err = p.Verify(publishAt(t, fileKey, "dns/cnames", nil, noChain, trust.VersionAt(now.Add(2*time.Hour))), now)
			wantRefusal(t, err, trust.ErrNotAllowed)
		})
	}
}

func isRefusal(err error) bool { _, ok := err.(*trust.Refusal); return ok }

// TestAmendmentRevokes revokes what is local, too.
func TestAmendmentRevokes(t *testing.T) {
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	file, own := publish(t, fileKey, "config.json", nil, noChain), publish(t, memberKey, telemetry, nil, direct)
	before := localPolicy(t)
	for _, c := range []trust.Claim{file, own} {
		if _, err := before.Verify(c, now); err != nil {
			t.Fatal(err)
		}
	}
	byKey := amended(t, fmt.Sprintf("[revoked]\nkeys = [ %q, %q ]", fileKey.Public(), member))
	bySerial := amended(t, fmt.Sprintf("[revoked]\ncertificates = [ %q ]", verified(t, direct).Serial))
	_, err := byKey.Verify(file, now)
	wantRefusal(t, err, trust.ErrRevoked)
	_, err = byKey.Verify(publishAt(t, fileKey, "config.json", nil, noChain, 1), now)
	wantRefusal(t, err, trust.ErrRevoked)
	for _, p := range []*trust.Policy{byKey, bySerial} {
		_, err = p.Verify(own, now)
		wantRefusal(t, err, trust.ErrRevoked)
		_, err = p.VerifyMember(direct, now)
		wantRefusal(t, err, trust.ErrRevoked)
	}
	renewed := trusttest.Certify(t, networkKey, noChain, member, "ann")
	if _, err := bySerial.Verify(own.WithCertificate(renewed), now); err != nil {
		t.Errorf("renewed after its serial was revoked: %v", err)
	}
}

// TestPolicyHasNoSayAboutItself: who signs it, which of its versions pass and whether they pass is
// local, so that a travelling policy can neither widen its signers nor saw off its own branch, and
// every node judges it alike in whatever order it hears of things.
func TestPolicyHasNoSayAboutItself(t *testing.T) {
	p := amended(t, fmt.Sprintf("[revoked]\nkeys = [ %q ]", policyKey.Public().Key))
	for _, s := range []*trust.Signer{policyKey, deputyPolicyKey} {
		if r, err := p.Verify(publish(t, s, trust.PolicyName, nil, noChain), now); err != nil || !r.ProvedBy(p) {
			t.Errorf("policy signer %v: %v", s, err)
		}
		if _, err := p.Examine(trusttest.Name(t, trust.PolicyName), publish(t, s, trust.PolicyName, nil, noChain).Signature(), now); err != nil {
			t.Error(err)
		}
	}
	_, err := p.Verify(publish(t, otherKey, trust.PolicyName, nil, noChain), now)
	wantRefusal(t, err, trust.ErrUnknownKey)
	_, err = p.Verify(publish(t, fileKey, trust.PolicyName, nil, noChain), now)
	wantRefusal(t, err, trust.ErrNotAllowed)
	_, err = namespacePolicy(t, nil).Verify(publish(t, policyKey, trust.PolicyName, nil, noChain), now)
	wantRefusal(t, err, trust.ErrNotAllowed)

	local := namespacePolicy(t, func(r *trust.Rules) {
		r.PolicySigners, r.RevokedKeys = []trust.PublicKey{policyKey.Public()}, []trust.Key{policyKey.Public().Key}
	})
	_, err = local.Verify(publish(t, policyKey, trust.PolicyName, nil, noChain), now)
	wantRefusal(t, err, trust.ErrRevoked)
}

// TestAmendNeedsANetwork: the line is told here, too.
func TestAmendNeedsANetwork(t *testing.T) {
	p := newPolicy(t, trust.Rules{PolicySigners: []trust.PublicKey{policyKey.Public()}})
	_, err := p.Amend(amendment(t, "\n[network]\nnamespaces = [ \"a\" ]"))
	wantRefusal(t, err, trust.ErrMalformed)
	if !strings.HasPrefix(err.Error(), "policy.toml:3: ") {
		t.Error(err)
	}
}

func TestAmendedPoliciesAreBounded(t *testing.T) {
	files := make(map[trust.Name][]trust.PublicKey)
	for i := range 1 << 16 {
		files[trusttest.Name(t, fmt.Sprint("f", i))] = []trust.PublicKey{otherKey.Public()}
	}
	p := newPolicy(t, trust.Rules{Files: files})
	_, err := p.Amend(amendment(t, fmt.Sprintf("[files]\n\"g\" = [ %q ]", otherKey.Public().Key)))
	wantRefusal(t, err, trust.ErrTooLarge)
	if slices.Contains(p.Names(), trusttest.Name(t, "g")) {
		t.Error("the local policy changed")
	}
}
