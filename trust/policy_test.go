package trust_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestPolicyLayout(t *testing.T) {
	network := trusttest.Signer(9).Public().Key
	key := []trust.PublicKey{trusttest.Signer(1).Public()}
	files := make(map[trust.Name][]trust.PublicKey)
	for _, n := range []string{"config.json", "dns/zone/a", "dns/cnames", "dns-x", "a/b/c/d"} {
		files[trusttest.Name(t, n)] = key
	}
	p := newPolicy(t, trust.Rules{Network: network, Files: files})
	if got, want := p.Dirs(), []string{"a", "a/b", "a/b/c", "dns", "dns/zone"}; !slices.Equal(got, want) {
		t.Errorf("dirs %q; want %q", got, want)
	}
	if got, want := fmt.Sprint(p.Names()), "[a/b/c/d config.json dns-x dns/cnames dns/zone/a]"; got != want {
		t.Errorf("names %s; want %s", got, want)
	}
	if p.Network() != network || !p.Admits(trusttest.Name(t, "dns-x")) || p.Admits(trusttest.Name(t, "dns")) || p.Admits(trust.Name{}) {
		t.Error("the policy forgot its rules")
	}

	delete(files, trusttest.Name(t, "dns-x"))
	key[0] = trusttest.Signer(2).Public()
	n := trusttest.Name(t, "dns-x")
	sig, err := trusttest.Signer(1).Sign(trust.DigestOf(nil), trust.Statement{Name: n, Version: 1, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Verify(trust.NewClaim(n, sig, nil), time.Unix(1, 0)); err != nil {
		t.Errorf("the policy shares the caller's map or slice: %v", err)
	}
}

func TestPoliciesRefused(t *testing.T) {
	key := []trust.PublicKey{trusttest.Signer(1).Public()}
	for _, c := range []struct {
		what  string
		names []string
		keys  []trust.PublicKey
		want  error
	}{
		{"name is a directory", []string{"a", "a/b"}, key, trust.ErrName},
		{"name is a directory far above", []string{"a/b/c/d", "a"}, key, trust.ErrName},
		{"no keys", []string{"a"}, nil, trust.ErrMalformed},
		{"zero key", []string{"a"}, []trust.PublicKey{{}}, trust.ErrMalformed},
		{"key of low order", []string{"a"}, []trust.PublicKey{{Key: trust.Key{1}}}, trust.ErrMalformed},
		{"too many keys", []string{"a"}, slices.Repeat(key, 65), trust.ErrTooLarge},
	} {
		t.Run(c.what, func(t *testing.T) {
			files := make(map[trust.Name][]trust.PublicKey)
			for _, n := range c.names {
				files[trusttest.Name(t, n)] = c.keys
			}
			p, err := trust.NewPolicy(trust.Rules{Files: files})
			wantRefusal(t, err, c.want)
			if p != nil {
				t.Error("refused, but gave a policy")
			}
		})
	}
	_, err := trust.NewPolicy(trust.Rules{Files: map[trust.Name][]trust.PublicKey{{}: key}})
	wantRefusal(t, err, trust.ErrName)
	if p, err := trust.NewPolicy(trust.Rules{}); err != nil || len(p.Names()) != 0 {
		t.Errorf("a policy without names: %v", err)
	}
}
