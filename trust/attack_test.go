package trust_test

import (
	"go/ast"
	"os"
	"regexp"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// The tests that the section Attacks of the package comment names, unless they stand elsewhere.

// TestAttackRollback replays an old record, whole and signed: it proves, and loses, to any number
// of repetitions and through any detour.
func TestAttackRollback(t *testing.T) {
	p := namespacePolicy(t, nil)
	prove := func(v trust.Version, deleted bool) trust.Record {
		n := trusttest.Name(t, "config.json")
		sig, err := fileKey.Sign(trust.DigestOf(nil), trust.Statement{Name: n, Version: v, Network: network, Deleted: deleted})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Verify(trust.NewClaim(n, sig, nil), now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	old, gone := prove(1, false), prove(2, true)
	again, err := p.Verify(old.Claim(), now.AddDate(1, 0, 0))
	if err != nil || trust.Compare(again, gone) != -1 || trust.Compare(gone, again) != 1 {
		t.Errorf("the replayed record wins over the deletion: %v", err)
	}
}

// TestAttackMixAndMatch combines parts of genuine records and certificates in all ways.
func TestAttackMixAndMatch(t *testing.T) {
	p := namespacePolicy(t, nil)
	ann := trusttest.Certify(t, networkKey, noChain, member, "ann")
	bob := trusttest.Certify(t, networkKey, noChain, other, "bob")
	names := []string{"config.json", telemetry, telemetry + "/cpu"}
	signers := map[string]*trust.Signer{names[0]: fileKey, names[1]: memberKey, names[2]: memberKey}
	contents := []string{"one", "two"}
	for _, name := range names {
		for _, signed := range names {
			for _, content := range contents {
				for _, half := range contents {
					for _, chain := range []trust.Chain{noChain, ann, bob} {
						first := publishAt(t, signers[signed], signed, []byte(content), noChain, 1).Signature()
						second := publishAt(t, signers[signed], signed, []byte(half), noChain, 2).Signature()
						sig := append(splice(second, first), chain.PEM()...)
						genuine := content == half && name == signed
						if genuine {
							sig = append(second, chain.PEM()...)
						}
						_, err := p.Verify(trust.NewClaim(trusttest.Name(t, name), sig, []byte(content)), now)
						proper := genuine && (name == "config.json" || chain.Key() == member)
						if (err == nil) != proper {
							t.Errorf("%s signed as %s, %s with the comment of %s: %v", name, signed, content, half, err)
						}
					}
				}
			}
		}
	}
}

// TestAttackOtherNetwork brings a record that the same keys signed for another network of theirs.
func TestAttackOtherNetwork(t *testing.T) {
	n := trusttest.Name(t, "config.json")
	p := namespacePolicy(t, nil)
	for what, id := range map[string]trust.Key{"another": foreignKey.Public().Key, "none": {}} {
		sig, err := fileKey.Sign(trust.DigestOf(nil), trust.Statement{Name: n, Version: 1, Network: id})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Verify(trust.NewClaim(n, sig, nil), now); err == nil {
			t.Errorf("signed for %s network, and accepted", what)
		}
	}
	_, err := p.VerifyMember(trusttest.Certify(t, foreignKey, noChain, member, "ann"), now)
	wantRefusal(t, err, trust.ErrUnknownKey)
}

// TestAttackStolenKeys says what each key is good for in the wrong hands: its own names, no others.
func TestAttackStolenKeys(t *testing.T) {
	ann := trusttest.Certify(t, networkKey, noChain, member, "ann")
	bob := "telemetry/" + keyPart(other)
	p := localPolicy(t)
	for what, c := range map[string]struct {
		thief *trust.Signer
		can   []string
	}{
		"a file's":          {fileKey, []string{"config.json", "dns/cnames"}},
		"a member's":        {memberKey, []string{telemetry, telemetry + "/cpu"}},
		"a policy signer's": {policyKey, []string{trust.PolicyName}},
		"a stranger's":      {trusttest.Signer(33), nil},
	} {
		got := 0
		for _, name := range []string{"config.json", "dns/cnames", telemetry, telemetry + "/cpu", bob, trust.PolicyName} {
			if _, err := p.Verify(publish(t, c.thief, name, nil, ann), now); err == nil {
				got++
			}
		}
		for _, name := range c.can {
			if _, err := p.Verify(publish(t, c.thief, name, nil, ann), now); err != nil {
				t.Errorf("%s key: %v", what, err)
			}
		}
		if got != len(c.can) {
			t.Errorf("%s key signs %d names; want %d", what, got, len(c.can))
		}
	}
	// A member cannot make members.
	_, err := memberKey.Certify(trust.CertificateSpec{Name: "eve", Key: other, NotBefore: now, NotAfter: now.Add(time.Hour)}, ann)
	wantRefusal(t, err, trust.ErrNotAllowed)
}

// TestAttackRunawayStamp: a version in 2099 cannot be superseded by an honest one, until an operator
// bounds the name, from anywhere, without a redeploy.
func TestAttackRunawayStamp(t *testing.T) {
	p := localPolicy(t)
	far := publishAt(t, fileKey, "config.json", []byte("frozen"), noChain, trust.VersionAt(now.AddDate(73, 0, 0)))
	honest := publish(t, fileKey, "config.json", nil, noChain)
	frozen, err := p.Verify(far, now)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Verify(honest, now); err != nil || trust.Compare(r, frozen) != -1 {
		t.Fatalf("the honest version: %v", err)
	}
	q, err := p.Amend(amendment(t, "[bounds]\n\"config.json\" = { not_after = 2027-01-01T00:00:00Z }"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = q.Verify(frozen.Claim(), now)
	wantRefusal(t, err, trust.ErrNotAllowed)
	if _, err := q.Verify(honest, now); err != nil {
		t.Error(err)
	}
}

// TestAttacksAreTested finds every test that the package comment names.
func TestAttacksAreTested(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for _, decl := range testDeclarations(t) {
		if f, ok := decl.(*ast.FuncDecl); ok {
			tests[f.Name.Name] = true
		}
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(source), -1)
	for _, name := range named {
		if !tests[name] {
			t.Errorf("the package comment names %s, which is not there", name)
		}
	}
	if len(named) < 10 {
		t.Errorf("only %d tests named", len(named))
	}
}
