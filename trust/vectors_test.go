package trust_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// vectors holds files that stock minisign, openssl and ssh-keygen made; see its README.
const vectors = "../test/vectors"

func vector(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestVectorKeys reads each pair: the halves belong together, and the private one signs.
func TestVectorKeys(t *testing.T) {
	for pair, passphrase := range map[string]string{
		"minisign": "", "minisign-encrypted": "mesh", "openssl": "", "openssh": "", "openssh-encrypted": "mesh",
	} {
		t.Run(pair, func(t *testing.T) {
			asked := ""
			signer, err := trust.ReadSigner(filepath.Join(vectors, pair+".key"), func() ([]byte, error) {
				asked = "mesh"
				return []byte(asked), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if asked != passphrase {
				t.Errorf("asked for passphrase %q; want %q", asked, passphrase)
			}
			public, err := trust.ReadKey(filepath.Join(vectors, pair+".pub"))
			if err != nil || public != signer.Public() {
				t.Errorf("public half %v, %v; private one has %v", public, err, signer.Public())
			}
			if text, err := trust.ParseKey(string(vector(t, pair+".pub"))); err != nil || text != public {
				t.Errorf("as text: %v, %v", text, err)
			}
			trusttest.Record(t, trusttest.Policy(t, signer, "a"), signer, "a", []byte("x"), 1)
		})
	}
	_, err := trust.ReadSigner(filepath.Join(vectors, "minisign-encrypted.key"), func() ([]byte, error) { return []byte("mash"), nil })
	wantRefusal(t, err, trust.ErrMismatch)
}

// TestVectorOpensslPEM checks that our PEM is, byte for byte, what openssl writes.
func TestVectorOpensslPEM(t *testing.T) {
	signer, err := trust.ParseSigner(vector(t, "openssl.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(signer.MarshalPEM()), string(vector(t, "openssl.key")); got != want {
		t.Errorf("private:\n%s\nwant:\n%s", got, want)
	}
	if got, want := string(signer.Public().Key.MarshalPEM()), string(vector(t, "openssl.pub")); got != want {
		t.Errorf("public:\n%s\nwant:\n%s", got, want)
	}
}

// vectorPolicy lists the key in the raw form, which does not have minisign's id.
func vectorPolicy(t *testing.T) (*trust.Policy, trust.Name) {
	t.Helper()
	minisign, err := trust.ReadKey(filepath.Join(vectors, "minisign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := trust.ParseKey(minisign.Key.String())
	if err != nil || raw.ID == minisign.ID {
		t.Fatalf("%v, %v", raw, err)
	}
	n := trusttest.Name(t, "config.json")
	return newPolicy(t, trust.Rules{Files: map[trust.Name][]trust.PublicKey{n: {raw}}}), n
}

func TestVectorStockSignature(t *testing.T) {
	p, n := vectorPolicy(t)
	content := vector(t, "config.json")
	r, err := p.Verify(trust.NewClaim(n, vector(t, "config.json.sig"), content), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if r.Version() != 1795445174e9 || r.Digest() != trust.DigestOf(content) {
		t.Errorf("version %d, digest %v", r.Version(), r.Digest())
	}
	_, err = p.Verify(trust.NewClaim(n, vector(t, "legacy.sig"), content), time.Now())
	wantRefusal(t, err, trust.ErrMalformed)
}

// stockMinisign returns the program's path. Without it the test says loudly that nothing was checked.
func stockMinisign(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("minisign")
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatal("minisign is not installed, and CI must not go without it")
	}
	t.Skip("NOT CHECKED against stock minisign: it is not installed")
	return ""
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestStockMinisignAcceptsOurs runs the very command that the untrusted comment gives.
func TestStockMinisignAcceptsOurs(t *testing.T) {
	minisign := stockMinisign(t)
	s := trusttest.Signer(1)
	for _, name := range []string{"config.json", "dns/cnames", strings.Repeat("a", 251)} {
		dir, n, content := t.TempDir(), trusttest.Name(t, name), []byte("content of "+name)
		sig, err := s.Sign(trust.DigestOf(content), trust.Statement{
			Name: n, Version: 1795383073441681534, TTL: time.Hour, Network: trusttest.Signer(2).Public().Key,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, n.Dir()), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), string(content))
		writeFile(t, filepath.Join(dir, n.Signature()), string(sig))
		first, _, _ := strings.Cut(string(sig), "\n")
		args := strings.Fields(strings.TrimPrefix(first, "untrusted comment: minisign "))
		if out := run(t, dir, append([]string{minisign}, args...)...); !strings.Contains(out, "file:"+name) {
			t.Errorf("%s: minisign does not show what was signed: %s", name, out)
		}
	}
}

// TestStockMinisignVerifiesLongNames gives it the longest and strangest names by hand.
func TestStockMinisignVerifiesLongNames(t *testing.T) {
	minisign := stockMinisign(t)
	s, dir := trusttest.Signer(1), t.TempDir()
	for _, name := range []string{strings.Repeat(strings.Repeat("a", 251)+"/", 4) + "bbb", "größe 日本 $(x)"} {
		writeFile(t, filepath.Join(dir, "content"), "content")
		writeFile(t, filepath.Join(dir, "sig"), string(trusttest.Sign(t, s, name, []byte("content"), 1)))
		run(t, dir, minisign, "-Vm", "content", "-x", "sig", "-P", s.Public().String())
	}
}

// TestStockMinisignSignsForUs signs a fresh content with the real program, as a user would.
func TestStockMinisignSignsForUs(t *testing.T) {
	minisign := stockMinisign(t)
	p, n := vectorPolicy(t)
	dir, content := t.TempDir(), "fresh "+t.Name()
	writeFile(t, filepath.Join(dir, "key"), string(vector(t, "minisign.key")))
	writeFile(t, filepath.Join(dir, "config.json"), content)
	run(t, dir, minisign, "-S", "-s", "key", "-m", "config.json", "-x", "config.json.sig")
	sig, err := os.ReadFile(filepath.Join(dir, "config.json.sig"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Verify(trust.NewClaim(n, sig, []byte(content)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// What we keep and pass on still verifies with the user's own public key file.
	writeFile(t, filepath.Join(dir, "kept.sig"), string(r.Signature()))
	writeFile(t, filepath.Join(dir, "pub"), string(vector(t, "minisign.pub")))
	run(t, dir, minisign, "-Vm", "config.json", "-x", "kept.sig", "-p", "pub")
}
