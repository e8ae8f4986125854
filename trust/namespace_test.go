package trust_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// telemetry is the member's own name in the namespace of these tests.
var telemetry = "telemetry/" + keyPart(member)

// keyPart is a key as part of a name.
func keyPart(k trust.Key) string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// namespacePolicy has a network, a namespace and a file.
func namespacePolicy(t testing.TB, change func(*trust.Rules)) *trust.Policy {
	t.Helper()
	r := trust.Rules{
		Network: network, Namespaces: []string{"telemetry"},
		Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "config.json"): {fileKey.Public()}},
	}
	if change != nil {
		change(&r)
	}
	return newPolicy(t, r)
}

// publish signs for the network, as of now, and puts a chain behind the signature.
func publish(t testing.TB, s *trust.Signer, name string, content []byte, c trust.Chain) trust.Claim {
	t.Helper()
	return publishAt(t, s, name, content, c, trust.VersionAt(now))
}

func publishAt(t testing.TB, s *trust.Signer, name string, content []byte, c trust.Chain, v trust.Version) trust.Claim {
	t.Helper()
	n := trusttest.Name(t, name)
	sig, err := s.Sign(trust.DigestOf(content), trust.Statement{Name: n, Version: v, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	return trust.NewClaim(n, append(sig, c.PEM()...), content)
}

// TestNamespaceNames has a row for every wrong form.
func TestNamespaceNames(t *testing.T) {
	p := namespacePolicy(t, func(r *trust.Rules) { r.Namespaces = []string{"telemetry", "sites/berlin"} })
	key := strings.TrimPrefix(telemetry, "telemetry/")
	// The last of 43 characters holds two bits more than 32 bytes have.
	loose := key[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", key[42])+1])
	for name, want := range map[string]string{
		telemetry:                                  "telemetry",
		telemetry + "/cpu":                         "telemetry",
		telemetry + "/a/b/" + key:                  "telemetry",
		"sites/berlin/" + key:                      "sites/berlin",
		"sites/berlin/" + key + "/x":               "sites/berlin",
		"telemetry":                                "",
		"telemetry/by-name":                        "",
		"telemetry/by-name/ann":                    "", // where package index has links
		"telemetry/by-name/" + key:                 "",
		"telemetry/x/" + key:                       "",
		key:                                        "",
		"other/" + key:                             "",
		"Telemetry/" + key:                         "",
		"telemetry2/" + key:                        "",
		"sites/" + key:                             "",
		"x/telemetry/" + key:                       "",
		"telemetry/" + key + "=":                   "",
		"telemetry/" + key[:42]:                    "",
		"telemetry/" + key + "A":                   "",
		"telemetry/" + loose:                       "",
		"telemetry/" + key[:42] + "+":              "",
		"telemetry/" + key[:42] + "é":              "",
		"telemetry/ " + key:                        "",
		"telemetry/" + key + ".json":               "",
		"telemetry/A" + zeros(42):                  "", // no key
		"telemetry/AQ" + zeros(41):                 "", // of low order
		"telemetry/" + repeated("_"):               "", // not in canonical form
		"telemetry/" + strings.ToUpper(key) + "/x": "",
	} {
		n := trusttest.Name(t, name)
		ns, k, ok := p.Namespace(n)
		if ns != want || ok != (want != "") || ok && k != member || !ok && k != (trust.Key{}) {
			t.Errorf("%s is in %q of %v, %v; want %q", name, ns, k, ok, want)
		}
		if p.Admits(n) != ok {
			t.Errorf("%s: admitted %v, in a namespace %v", name, !ok, ok)
		}
	}
	if got, want := fmt.Sprint(p.Namespaces(), p.Dirs()), "[sites/berlin telemetry] [sites sites/berlin telemetry]"; got != want {
		t.Errorf("namespaces and directories %s; want %s", got, want)
	}
	if _, _, ok := namespacePolicy(t, nil).Namespace(trust.Name{}); ok {
		t.Error("the zero name is in a namespace")
	}
}

func zeros(n int) string { return strings.Repeat("A", n) }

// repeated is a key of 43 characters with no loose bits.
func repeated(s string) string { return strings.Repeat(s, 42) + "8" }

// TestNamespaceVerdicts has a row for every way in which a member's file fails, and some in which
// it does not.
func TestNamespaceVerdicts(t *testing.T) {
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	below := trusttest.Certify(t, authorityKey, ca, member, "ann")
	foreign := trusttest.Certify(t, foreignKey, noChain, member, "ann")
	others := trusttest.Certify(t, networkKey, noChain, other, "bob")
	over := issue(t, networkKey, noChain, -2*time.Hour, -time.Hour)
	soon := issue(t, networkKey, noChain, 31*time.Second, time.Hour)
	good := publish(t, memberKey, telemetry, []byte("x"), direct)
	with := func(c trust.Claim, content []byte, extra string) trust.Claim {
		return trust.NewClaim(c.Name(), append(bytes.Clone(c.Signature()), extra...), content)
	}
	revoked := func(r *trust.Rules) { r.RevokedCertificates = []string{verified(t, direct).Serial} }
	for _, c := range []struct {
		what   string
		claim  trust.Claim
		change func(*trust.Rules)
		want   error
	}{
		{"good", good, nil, nil},
		{"good, below the key", publish(t, memberKey, telemetry+"/cpu/0", nil, direct), nil, nil},
		{"good, through an authority", publish(t, memberKey, telemetry, nil, below), nil, nil},
		{"good, through an authority known here", publish(t, memberKey, telemetry, nil, leafOf(t, below)), func(r *trust.Rules) { r.Authorities = []trust.Chain{ca} }, nil},
		{"good, certificate known here", publish(t, memberKey, telemetry, nil, noChain).WithCertificate(direct), nil, nil},
		{"expired behind the signature, renewed here", publish(t, memberKey, telemetry, nil, over).WithCertificate(direct), nil, nil},
		{"valid behind the signature, expired here", publish(t, memberKey, telemetry, nil, direct).WithCertificate(over), nil, nil},
		{"valid behind the signature, another member's here", publish(t, memberKey, telemetry, nil, direct).WithCertificate(others), nil, nil},
		{"revoked behind the signature, renewed here", good.WithCertificate(below), revoked, nil},

		{"no certificate", publish(t, memberKey, telemetry, nil, noChain), nil, trust.ErrUnknownKey},
		{"other network's certificate", publish(t, memberKey, telemetry, nil, foreign), nil, trust.ErrUnknownKey},
		{"other network's certificate known here", publish(t, memberKey, telemetry, nil, noChain).WithCertificate(foreign), nil, trust.ErrUnknownKey},
		{"other member's certificate", publish(t, memberKey, telemetry, nil, others), nil, trust.ErrMismatch},
		{"other member's certificate and signature", publish(t, otherKey, telemetry, nil, others), nil, trust.ErrUnknownKey},
		{"signed by a file's key", publish(t, fileKey, telemetry, nil, direct), nil, trust.ErrNotAllowed},
		{"signed by the network's key", publish(t, networkKey, telemetry, nil, direct), nil, trust.ErrUnknownKey},
		{"expired", publish(t, memberKey, telemetry, nil, over), nil, trust.ErrExpired},
		{"expired, both", publish(t, memberKey, telemetry, nil, over).WithCertificate(over), nil, trust.ErrExpired},
		{"not yet valid", publish(t, memberKey, telemetry, nil, soon), nil, trust.ErrFuture},
		{"certificate revoked", good, revoked, trust.ErrRevoked},
		{"member's key revoked", good, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{member} }, trust.ErrRevoked},
		{"for another network", trust.NewClaim(good.Name(), append(trusttest.Sign(t, memberKey, telemetry, []byte("x"), 1), direct.PEM()...), []byte("x")), nil, trust.ErrMismatch},
		{"for another name of the member's", trust.NewClaim(trusttest.Name(t, telemetry+"/a"), good.Signature(), []byte("x")), nil, trust.ErrMismatch},
		{"content changed", with(good, []byte("y"), ""), nil, trust.ErrMismatch},
		{"not a key", publish(t, memberKey, "telemetry/ann", nil, direct), nil, trust.ErrNotAllowed},
		{"no such namespace", good, func(r *trust.Rules) { r.Namespaces = nil }, trust.ErrNotAllowed},
		{"garbage behind the certificate", with(good, []byte("x"), "x"), nil, trust.ErrMalformed},
		{"garbage instead of a certificate", with(publish(t, memberKey, telemetry, nil, noChain), nil, "garbage\n"), nil, trust.ErrMalformed},
		{"text before the certificate", with(publish(t, memberKey, telemetry, nil, noChain), nil, "# ann\n"+string(direct.PEM())), nil, trust.ErrMalformed},
		{"four certificates", with(publish(t, memberKey, telemetry, nil, noChain), nil, strings.Repeat(string(direct.PEM()), 4)), nil, trust.ErrMalformed},
		{"too long", with(publish(t, memberKey, telemetry, nil, noChain), nil, strings.Repeat("x", trust.MaxSignature)), nil, trust.ErrTooLarge},
		{"four lines too long", trust.NewClaim(good.Name(), append([]byte("untrusted comment: "+strings.Repeat("x", 4096)), good.Signature()[bytes.IndexByte(good.Signature(), '\n'):]...), []byte("x")), nil, trust.ErrTooLarge},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := namespacePolicy(t, c.change)
			r, err := p.Verify(c.claim, now)
			if c.want != nil {
				wantRefusal(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if m, ok := r.Member(); !ok || m.Key != member || m.Name != "ann" || r.Signer() != member {
				t.Errorf("member %+v, %v", m, ok)
			}
			// What is kept stands alone: it needs no certificate and no authority from elsewhere.
			again, err := namespacePolicy(t, nil).Verify(trust.NewHead(r.Name(), r.Signature(), r.Digest()), now)
			if err != nil || trust.Compare(again, r) != 0 || !bytes.Equal(again.Signature(), r.Signature()) {
				t.Errorf("the kept signature: %v", err)
			}
		})
	}
}

// TestRenewalTakesTheLongerCertificate gives two that are valid, in either place.
func TestRenewalTakesTheLongerCertificate(t *testing.T) {
	p := namespacePolicy(t, nil)
	short, long := issue(t, networkKey, noChain, -time.Hour, time.Hour), issue(t, networkKey, noChain, -time.Hour, 2*time.Hour)
	for _, c := range []trust.Claim{
		publish(t, memberKey, telemetry, nil, short).WithCertificate(long),
		publish(t, memberKey, telemetry, nil, long).WithCertificate(short),
	} {
		r, err := p.Verify(c, now)
		if err != nil {
			t.Fatal(err)
		}
		if m, _ := r.Member(); !m.NotAfter.Equal(now.Add(2 * time.Hour)) {
			t.Errorf("takes the certificate that ends at %v", m.NotAfter)
		}
		if !bytes.HasSuffix(r.Signature(), long.PEM()) || bytes.Contains(r.Signature(), short.PEM()) {
			t.Error("keeps another certificate than the one that it took")
		}
		if _, expires := r.Expires(); expires {
			t.Error("the certificate's end is taken for a signed lifetime")
		}
	}
	// After the end of both nothing is left; after that of one the other one holds.
	c := publish(t, memberKey, telemetry, nil, short).WithCertificate(long)
	if _, err := p.Verify(c, now.Add(90*time.Minute)); err != nil {
		t.Error(err)
	}
	_, err := p.Verify(c, now.Add(2*time.Hour))
	wantRefusal(t, err, trust.ErrExpired)
}

// TestExamineLeavesTheCertificateOpen: a signature may come before the certificate is known.
func TestExamineLeavesTheCertificateOpen(t *testing.T) {
	p := namespacePolicy(t, nil)
	c := publish(t, memberKey, telemetry, nil, noChain)
	if got, err := p.Examine(c.Name(), c.Signature(), now); err != nil || got.Name != c.Name() || got.Network != network {
		t.Errorf("%+v, %v", got, err)
	}
	_, err := p.Examine(c.Name(), publish(t, otherKey, telemetry, nil, noChain).Signature(), now)
	wantRefusal(t, err, trust.ErrUnknownKey)
}

func TestNamespaceTombstones(t *testing.T) {
	n := trusttest.Name(t, telemetry)
	sig, err := memberKey.Sign(trust.DigestOf(nil), trust.Statement{Name: n, Version: 1, Network: network, Deleted: true})
	if err != nil {
		t.Fatal(err)
	}
	direct := trusttest.Certify(t, networkKey, noChain, member, "ann")
	r, err := namespacePolicy(t, nil).Verify(trust.NewClaim(n, append(sig, direct.PEM()...), nil), now)
	if err != nil || !r.Deleted() {
		t.Errorf("deleted %v, %v", r.Deleted(), err)
	}
}

// TestStockMinisignIgnoresCertificates: anybody can still check a member's file.
func TestStockMinisignIgnoresCertificates(t *testing.T) {
	minisign, dir := stockMinisign(t), t.TempDir()
	r, err := namespacePolicy(t, nil).Verify(publish(t, memberKey, telemetry, []byte("x"), trusttest.Certify(t, networkKey, noChain, member, "ann")), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "telemetry"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, telemetry), "x")
	writeFile(t, filepath.Join(dir, r.Name().Signature()), string(r.Signature()))
	first, _, _ := strings.Cut(string(r.Signature()), "\n")
	run(t, dir, append([]string{minisign}, strings.Fields(strings.TrimPrefix(first, "untrusted comment: minisign "))...)...)
}
