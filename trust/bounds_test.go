package trust_test

import (
	"math"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestVersionLimits has rows at and beside each limit on versions.
func TestVersionLimits(t *testing.T) {
	const second = trust.Version(time.Second)
	at := trust.VersionAt(now)
	n := trusttest.Name(t, "config.json")
	for _, c := range []struct {
		what    string
		bounds  trust.Bounds
		future  time.Duration
		version trust.Version
		want    error
	}{
		{"no limits, year 2262", trust.Bounds{}, 0, math.MaxInt64, nil},
		{"no limits, year 1970", trust.Bounds{}, 0, 1, nil},
		{"at the lower bound", trust.Bounds{NotBefore: at}, 0, at, nil},
		{"below the lower bound", trust.Bounds{NotBefore: at}, 0, at - 1, trust.ErrNotAllowed},
		{"at the upper bound", trust.Bounds{NotAfter: at}, 0, at, nil},
		{"above the upper bound", trust.Bounds{NotAfter: at}, 0, at + 1, trust.ErrNotAllowed},
		{"between equal bounds", trust.Bounds{NotBefore: at, NotAfter: at}, 0, at, nil},
		{"at the most in the future", trust.Bounds{}, time.Minute, at + 60*second, nil},
		{"further in the future", trust.Bounds{}, time.Minute, at + 60*second + 1, trust.ErrFuture},
		{"year 2262, with a limit", trust.Bounds{}, time.Minute, math.MaxInt64, trust.ErrFuture},
		{"in the future and above the bound", trust.Bounds{NotAfter: at}, time.Minute, at + 61*second, trust.ErrNotAllowed},
		{"longest limit", trust.Bounds{}, math.MaxInt64, math.MaxInt64, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := namespacePolicy(t, func(r *trust.Rules) {
				r.MaxFuture, r.Bounds = c.future, map[trust.Name]trust.Bounds{n: c.bounds}
			})
			claim := publishAt(t, fileKey, "config.json", nil, noChain, c.version)
			_, err := p.Verify(claim, now)
			_, examined := p.Examine(n, claim.Signature(), now)
			if c.want != nil {
				wantRefusal(t, err, c.want)
				wantRefusal(t, examined, c.want)
			} else if err != nil || examined != nil {
				t.Error(err, examined)
			}
		})
	}
}

// TestFutureIsTakenWhenItsTimeHasCome proves the very claim that was refused, later.
func TestFutureIsTakenWhenItsTimeHasCome(t *testing.T) {
	p := namespacePolicy(t, func(r *trust.Rules) { r.MaxFuture = time.Minute })
	c := publishAt(t, fileKey, "config.json", nil, noChain, trust.VersionAt(now.Add(time.Hour)))
	_, err := p.Verify(c, now)
	wantRefusal(t, err, trust.ErrFuture)
	if _, err := p.Verify(c, now.Add(59*time.Minute)); err != nil {
		t.Error(err)
	}
}

// TestClockRules: a policy says what its rules left open, and an amended one what its local one says.
func TestClockRules(t *testing.T) {
	for _, c := range []struct{ given, skew, future time.Duration }{{0, 30 * time.Second, 0}, {time.Minute, time.Minute, time.Minute}} {
		local := namespacePolicy(t, func(r *trust.Rules) { r.ClockSkew, r.MaxFuture = c.given, c.given })
		p, err := local.Amend(trust.Amendment{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*trust.Policy{local, p} {
			if p.ClockSkew() != c.skew || p.MaxFuture() != c.future {
				t.Errorf("given %v: skew %v, future %v", c.given, p.ClockSkew(), p.MaxFuture())
			}
		}
	}
}

// TestRulesRefused has what makes no sense beside the files.
func TestRulesRefused(t *testing.T) {
	n := trusttest.Name(t, "a")
	key := []trust.PublicKey{memberKey.Public()}
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	many := make([]trust.Chain, 65)
	for i := range many {
		many[i] = ca
	}
	for what, c := range map[string]struct {
		rules trust.Rules
		want  error
	}{
		"network that nobody can have":  {trust.Rules{Network: trust.Key{1}}, trust.ErrMalformed},
		"namespace without a network":   {trust.Rules{Namespaces: []string{"a"}}, trust.ErrMalformed},
		"namespace twice":               {trust.Rules{Network: network, Namespaces: []string{"a", "a"}}, trust.ErrName},
		"namespace in a namespace":      {trust.Rules{Network: network, Namespaces: []string{"a", "a/b/c"}}, trust.ErrName},
		"namespace is no name":          {trust.Rules{Network: network, Namespaces: []string{"a/"}}, trust.ErrName},
		"namespace is a file":           {trust.Rules{Network: network, Namespaces: []string{"a"}, Files: map[trust.Name][]trust.PublicKey{n: key}}, trust.ErrName},
		"namespace below a file":        {trust.Rules{Network: network, Namespaces: []string{"a/b"}, Files: map[trust.Name][]trust.PublicKey{n: key}}, trust.ErrName},
		"namespace above a file":        {trust.Rules{Network: network, Namespaces: []string{"a"}, Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "a/b/c"): key}}, trust.ErrName},
		"namespace is the policy":       {trust.Rules{Network: network, Namespaces: []string{"policy.toml"}}, trust.ErrName},
		"file is the policy":            {trust.Rules{Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, trust.PolicyName): key}}, trust.ErrName},
		"file below the policy":         {trust.Rules{Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "policy.toml/a"): key}}, trust.ErrName},
		"too many policy signers":       {trust.Rules{PolicySigners: make([]trust.PublicKey, 65)}, trust.ErrTooLarge},
		"policy signer is none":         {trust.Rules{PolicySigners: make([]trust.PublicKey, 1)}, trust.ErrMalformed},
		"too many namespaces":           {trust.Rules{Network: network, Namespaces: make([]string, 1025)}, trust.ErrTooLarge},
		"too many revoked keys":         {trust.Rules{RevokedKeys: make([]trust.Key, 1<<16+1)}, trust.ErrTooLarge},
		"too many revoked certificates": {trust.Rules{RevokedCertificates: make([]string, 1<<16+1)}, trust.ErrTooLarge},
		"too many authorities":          {trust.Rules{Authorities: many}, trust.ErrTooLarge},
		"authority is a member":         {trust.Rules{Authorities: []trust.Chain{direct}}, trust.ErrMalformed},
		"network's key revoked":         {trust.Rules{Network: network, RevokedKeys: []trust.Key{network}}, trust.ErrMalformed},
		"zero key revoked":              {trust.Rules{RevokedKeys: []trust.Key{{}}}, trust.ErrMalformed},
		"serial empty":                  {trust.Rules{RevokedCertificates: []string{""}}, trust.ErrMalformed},
		"serial zero":                   {trust.Rules{RevokedCertificates: []string{"00"}}, trust.ErrMalformed},
		"serial negative":               {trust.Rules{RevokedCertificates: []string{"-1"}}, trust.ErrMalformed},
		"serial in decimal with prefix": {trust.Rules{RevokedCertificates: []string{"0x10"}}, trust.ErrMalformed},
		"serial of 21 bytes":            {trust.Rules{RevokedCertificates: []string{"010000000000000000000000000000000000000000"}}, trust.ErrMalformed},
		"future negative":               {trust.Rules{MaxFuture: -1}, trust.ErrMalformed},
		"skew negative":                 {trust.Rules{ClockSkew: -1}, trust.ErrMalformed},
		"bounds negative":               {trust.Rules{Bounds: map[trust.Name]trust.Bounds{n: {NotBefore: -1}}}, trust.ErrMalformed},
		"bounds with nothing between":   {trust.Rules{Bounds: map[trust.Name]trust.Bounds{n: {NotBefore: 2, NotAfter: 1}}}, trust.ErrMalformed},
		"bounds of no name":             {trust.Rules{Bounds: map[trust.Name]trust.Bounds{{}: {}}}, trust.ErrName},
	} {
		t.Run(what, func(t *testing.T) {
			p, err := trust.NewPolicy(c.rules)
			wantRefusal(t, err, c.want)
			if p != nil {
				t.Error("refused, but gave a policy")
			}
		})
	}
}
