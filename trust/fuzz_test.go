package trust_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestFuzzSeedsExist notices when the committed seeds go missing.
func TestFuzzSeedsExist(t *testing.T) {
	for target, least := range map[string]int{"FuzzParseName": 3, "FuzzParseKey": 6, "FuzzVerify": 4, "FuzzParseChain": 4, "FuzzParseAmendment": 4} {
		seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target))
		if err != nil || len(seeds) < least {
			t.Errorf("%s has %d committed seeds (%v); want at least %d", target, len(seeds), err, least)
		}
	}
}

// FuzzParseName: what is a name is its own text and keeps to the syntax.
func FuzzParseName(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		n, err := trust.ParseName(s)
		if err != nil {
			wantRefusal(t, err, trust.ErrName)
			return
		}
		again, err := trust.ParseName(n.String())
		if err != nil || again != n || n.String() != s {
			t.Errorf("%q became %q, then %q, %v", s, n, again, err)
		}
		if !utf8.ValidString(s) || len(s) > trust.MaxName || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("%q is accepted", s)
		}
		if joined := strings.TrimPrefix(n.Dir()+"/"+n.Base(), "/"); joined != s || !filepath.IsLocal(s) || filepath.Clean(s) != s {
			t.Errorf("%q: dir %q, base %q", s, n.Dir(), n.Base())
		}
	})
}

// FuzzParseKey: what is a key comes back from each form that it is written in.
func FuzzParseKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		k, err := trust.ParseKey(text)
		if err != nil {
			return
		}
		for form, text := range keyForms(k) {
			got, err := trust.ParseKey(text)
			if err != nil || got.Key != k.Key {
				t.Errorf("%s %q gives %v, %v; want %v", form, text, got, err, k)
			}
		}
		if got, err := trust.ParseKey(k.String()); err != nil || got != k {
			t.Errorf("minisign form gives %v, %v; want %v", got, err, k)
		}
	})
}

// FuzzVerify: nothing but what the signer signed is accepted, and what is accepted is accepted
// again in the form in which it is kept.
func FuzzVerify(f *testing.F) {
	s := trusttest.Signer(1)
	p := trusttest.Policy(f, s, "a")
	n := trusttest.Name(f, "a")
	good := trusttest.Sign(f, s, "a", []byte("content"), 1)
	f.Add(good, []byte("content"))
	f.Fuzz(func(t *testing.T, sig, content []byte) {
		if len(sig) > 2*trust.MaxSignature || len(content) > 1<<16 {
			t.Skip()
		}
		r, err := p.Verify(trust.NewClaim(n, sig, content), time.Unix(1, 0))
		if err != nil {
			return
		}
		_, signed, _ := bytes.Cut(r.Signature(), []byte("\n"))
		if !bytes.Contains(append(bytes.Clone(sig), '\n'), signed) {
			t.Errorf("signed lines changed:\n%q\n%q", sig, signed)
		}
		again, err := p.Verify(r.Claim(), time.Unix(1, 0))
		if err != nil || trust.Compare(again, r) != 0 || !bytes.Equal(again.Signature(), r.Signature()) {
			t.Errorf("not accepted again: %v", err)
		}
		if string(content) != "content" && len(content) > 0 {
			t.Errorf("content %q was never signed", content)
		}
	})
}

// FuzzParseChain: what is a chain comes back from both forms, and stays within its limits. None but
// the one that the network issued is a member's.
func FuzzParseChain(f *testing.F) {
	issued := trusttest.Certify(f, networkKey, noChain, member, "ann")
	p := newPolicy(f, trust.Rules{Network: network})
	f.Add(issued.PEM())
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := trust.ParseChain(text)
		if err != nil {
			if _, ok := err.(*trust.Refusal); !ok || !c.IsZero() {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		again, err := trust.ParseChain(c.PEM())
		if err != nil || !bytes.Equal(again.DER(), c.DER()) || len(c.PEM()) > trust.MaxSignature-4096 {
			t.Errorf("%d bytes of PEM come back as %v", len(c.PEM()), err)
		}
		if again, err := trust.ParseChainDER(c.DER()); err != nil || again.Key() != c.Key() {
			t.Errorf("from DER: %v", err)
		}
		if m, err := p.VerifyMember(c, now); err == nil && (m.Key != member || m.Name != "ann") {
			t.Errorf("the network never issued %+v", m)
		}
	})
}

// FuzzParseAmendment: what parses amends a policy, and touches neither what is local nor who signs
// the travelling policy; what does not is refused at a line that exists.
func FuzzParseAmendment(f *testing.F) {
	p := localPolicy(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := trust.ParseAmendment(text)
		if err != nil {
			wantRefusal(t, err, trust.ErrMalformed)
			line, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "policy.toml:"), ":")
			if n, err := strconv.Atoi(line); err != nil || n < 1 || n > bytes.Count(text, []byte("\n"))+1 {
				t.Errorf("line %q", line)
			}
			return
		}
		q, err := p.Amend(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Names() {
			if !q.Admits(n) {
				t.Errorf("%s is gone", n)
			}
		}
		if _, err := q.Verify(publish(t, policyKey, trust.PolicyName, nil, noChain), now); err != nil {
			t.Errorf("its own signer: %v", err)
		}
		if back, err := q.Amend(trust.Amendment{}); err != nil || !slices.Equal(back.Names(), p.Names()) {
			t.Errorf("withdrawn: %v", err)
		}
	})
}
