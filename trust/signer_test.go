package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestGeneratedSigners(t *testing.T) {
	seen := make(map[trust.Key]bool)
	for range 50 {
		s, err := trust.GenerateSigner()
		if err != nil {
			t.Fatal(err)
		}
		if seen[s.Public().Key] {
			t.Fatal("the same key twice")
		}
		seen[s.Public().Key] = true
		again, err := trust.ParseSigner(s.MarshalPEM(), nil)
		if err != nil || again.Public() != s.Public() || !again.Ed25519().Equal(s.Ed25519()) {
			t.Errorf("PEM gives back %v, %v; want %v", again, err, s)
		}
		if got, err := trust.ParseKey(s.Public().Key.String()); err != nil || got != s.Public() {
			t.Errorf("public half gives back %v, %v; want %v", got, err, s.Public())
		}
	}
}

func TestSignerHidesItsSecret(t *testing.T) {
	s := trusttest.Signer(1)
	for _, format := range []string{"%v", "%s", "%+v"} {
		if got := fmt.Sprintf(format, s); got != "signer "+s.Public().Key.String() {
			t.Errorf("%s prints %s", format, got)
		}
	}
}

// TestMinisignSigner reads what the minisign library writes, and keeps the id of the key.
func TestMinisignSigner(t *testing.T) {
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := private.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	s, err := trust.ParseSigner(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Public().String() != public.String() {
		t.Errorf("public half %s; want %s", s.Public(), public)
	}
	content := []byte("x")
	if sig := trusttest.Sign(t, s, "a", content, 1); !verifyPrehashed(public, content, sig) {
		t.Errorf("the minisign library refuses\n%s", sig)
	}
}

func verifyPrehashed(p minisign.PublicKey, content, sig []byte) bool {
	r := minisign.NewReader(bytes.NewReader(content))
	if _, err := new(bytes.Buffer).ReadFrom(r); err != nil {
		return false
	}
	return r.Verify(p, sig)
}

func TestSignersRefused(t *testing.T) {
	good := trusttest.Signer(1)
	mixed := bytes.Clone(good.Ed25519())
	copy(mixed[32:], trusttest.Signer(2).Ed25519()[32:])
	mixedText := minisignSecret(mixed)
	for what, text := range map[string]string{
		"empty":             "",
		"public":            good.Public().Key.String(),
		"minisign public":   good.Public().String(),
		"ssh public":        "ssh-ed25519 AAAA",
		"pem public":        string(good.Public().Key.MarshalPEM()),
		"pem cut":           string(good.MarshalPEM()[:60]),
		"pem damaged":       strings.Replace(string(good.MarshalPEM()), "MC4C", "MC5C", 1),
		"pem encrypted":     strings.ReplaceAll(string(good.MarshalPEM()), "PRIVATE", "ENCRYPTED PRIVATE"),
		"ssh damaged":       string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")})),
		"halves do not fit": mixedText,
	} {
		t.Run(what, func(t *testing.T) {
			_, err := trust.ParseSigner([]byte(text), nil)
			wantRefusal(t, err, trust.ErrMalformed)
		})
	}
	_, err := trust.ParseSigner(make([]byte, 1<<20), nil)
	wantRefusal(t, err, trust.ErrTooLarge)
	if _, err := trust.ReadSigner(filepath.Join(t.TempDir(), "absent"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
}

// minisignSecret renders 64 bytes as an unencrypted minisign private key, right or wrong.
func minisignSecret(private []byte) string {
	b := make([]byte, 158)
	copy(b, "Ed\x00\x00B2")
	copy(b[62:], private)
	return "untrusted comment: x\n" + strict64(b) + "\n"
}

func TestPassphrase(t *testing.T) {
	text := vector(t, "openssh-encrypted.key")
	asked := 0
	say := func(word string, err error) func() ([]byte, error) {
		return func() ([]byte, error) { asked++; return []byte(word), err }
	}
	s, err := trust.ParseSigner(text, say("mesh", nil))
	public, keyErr := trust.ParseKey(string(vector(t, "openssh-encrypted.pub")))
	if err != nil || keyErr != nil || s.Public() != public || asked != 1 {
		t.Errorf("right passphrase: %v, %v, asked %d times", s, err, asked)
	}
	_, err = trust.ParseSigner(text, say("mash", nil))
	wantRefusal(t, err, trust.ErrMismatch)
	_, err = trust.ParseSigner(text, nil)
	wantRefusal(t, err, trust.ErrMismatch)
	gone := errors.New("terminal gone")
	if _, err = trust.ParseSigner(text, say("", gone)); !errors.Is(err, gone) {
		t.Errorf("error of the terminal became %v", err)
	}
	asked = 0
	if _, err := trust.ParseSigner(trusttest.Signer(1).MarshalPEM(), say("", nil)); err != nil || asked != 0 {
		t.Errorf("plain key: %v, asked %d times", err, asked)
	}
}

func TestStatementsRefused(t *testing.T) {
	n := trusttest.Name(t, "a")
	empty, full := trust.DigestOf(nil), trust.DigestOf([]byte("x"))
	for _, c := range []struct {
		what   string
		digest trust.Digest
		st     trust.Statement
		reason error
	}{
		{"no name", full, trust.Statement{Version: 1}, trust.ErrName},
		{"no version", full, trust.Statement{Name: n}, trust.ErrMalformed},
		{"negative version", full, trust.Statement{Name: n, Version: -1}, trust.ErrMalformed},
		{"negative lifetime", full, trust.Statement{Name: n, Version: 1, TTL: -1}, trust.ErrMalformed},
		{"tombstone with content", full, trust.Statement{Name: n, Version: 1, Deleted: true}, trust.ErrMismatch},
		{"tombstone with lifetime", empty, trust.Statement{Name: n, Version: 1, TTL: 1, Deleted: true}, trust.ErrMalformed},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := trusttest.Signer(1).Sign(c.digest, c.st)
			wantRefusal(t, err, c.reason)
		})
	}
}

// TestSignedTextStaysInBounds signs the longest names there are: ours and stock minisign's limits hold.
func TestSignedTextStaysInBounds(t *testing.T) {
	for _, part := range []string{"a", "'", "é"} {
		name := strings.Repeat(strings.Repeat(part, 250/len(part))+"/", 4) + "end"
		n := trusttest.Name(t, name)
		st := trust.Statement{Name: n, Version: 1<<63 - 1, Network: trusttest.Signer(2).Public().Key, TTL: 1<<63 - 1}
		content := []byte("x")
		sig, err := trusttest.Signer(1).Sign(trust.DigestOf(content), st)
		if err != nil {
			t.Fatal(err)
		}
		r, err := trusttest.Policy(t, trusttest.Signer(1), name).Verify(trust.NewClaim(n, sig, content), time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if first, _, _ := strings.Cut(string(r.Signature()), "\n"); len(first) > 1000 {
			t.Errorf("untrusted comment has %d bytes", len(first))
		}
		if string(sig) != string(r.Signature()) {
			t.Errorf("our own text changed:\n%s\n%s", sig, r.Signature())
		}
	}
}

// TestAdviceIsNoTrap checks that a name which a shell would read as more than a word is not in
// the line that people paste.
func TestAdviceIsNoTrap(t *testing.T) {
	for name, plain := range map[string]bool{
		"dns/cnames": true, "A-b_c.d:e@f,g=h+i": true,
		"a b": false, "a;b": false, "$(reboot)": false, "`x`": false, "a&b": false, "*": false, "é": false, "~": false,
	} {
		first, _, _ := strings.Cut(string(trusttest.Sign(t, trusttest.Signer(1), name, nil, 1)), "\n")
		if strings.Contains(first, name) != plain {
			t.Errorf("%s: %s", name, first)
		}
	}
}

func TestEd25519IsThePrivateKey(t *testing.T) {
	s := trusttest.Signer(1)
	message := []byte("m")
	key := s.Public().Key
	if !ed25519.Verify(key[:], message, ed25519.Sign(s.Ed25519(), message)) {
		t.Error("the halves do not belong together")
	}
}
