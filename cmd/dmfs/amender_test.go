//go:build linux

package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

// TestPolicyComesToRest: putting a policy in force changes policy.toml itself
// when its signers change, and is not a reason to do it again.
func TestPolicyComesToRest(t *testing.T) {
	law, other := newSigner(t), newSigner(t)
	local, without := policySignedBy(t, law), policySignedBy(t, other)
	ix, err := index.Open(filepath.Join(t.TempDir(), "index.db"), local)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	a, err := newAmender(ix, local, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	publishPolicy(t, ix, law, fmt.Sprintf("[files]\n\"motd\" = [ %q ]\n", law.Public().Key))
	motd, err := trust.ParseName("motd")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		local  *trust.Policy
		admits bool
	}{
		{"amended", local, true},
		{"the signer is gone", without, false},
		{"and back", local, true},
	} {
		if err := a.adopt(step.local); err != nil {
			t.Fatal(err)
		}
		settle(t, a)
		if got := ix.Policy().Admits(motd); got != step.admits {
			t.Errorf("%s: motd admitted: %v", step.name, got)
		}
	}
}

// settle follows the index until nothing comes any more, and checks that what
// is in force then stays.
func settle(t *testing.T, a *amender) {
	t.Helper()
	for range 3 {
		if again, err := a.enact(); err != nil {
			t.Fatal(err)
		} else if !again {
			break
		}
	}
	before := a.index.Seq()
	if again, err := a.enact(); again || err != nil || a.index.Seq() != before {
		t.Errorf("enacted again: %v, %v, change %d after %d", again, err, a.index.Seq(), before)
	}
}

func newSigner(t *testing.T) *trust.Signer {
	t.Helper()
	s, err := trust.GenerateSigner()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func policySignedBy(t *testing.T, s *trust.Signer) *trust.Policy {
	t.Helper()
	p, err := trust.NewPolicy(trust.Rules{PolicySigners: []trust.PublicKey{s.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publishPolicy(t *testing.T, ix *index.Index, s *trust.Signer, text string) {
	t.Helper()
	signature, err := s.Sign(trust.DigestOf([]byte(text)), trust.Statement{Name: policyName, Version: trust.VersionAt(time.Now())})
	if err != nil {
		t.Fatal(err)
	}
	record, err := ix.Policy().Verify(trust.NewClaim(policyName, signature, []byte(text)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if outcomes, err := ix.Apply("test", record); err != nil || outcomes[0].Err != nil {
		t.Fatal(err, outcomes)
	}
}
