package trust_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// keyForms renders one key in every form in which it is read.
func keyForms(p trust.PublicKey) map[string]string {
	ssh := append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), p.Key[:]...)
	return map[string]string{
		"raw":      p.Key.String(),
		"minisign": p.String(),
		"ssh":      "ssh-ed25519 " + base64.StdEncoding.EncodeToString(ssh),
		"pem":      strings.TrimSpace(string(p.Key.MarshalPEM())),
	}
}

func TestKeyForms(t *testing.T) {
	want := trusttest.Signer(1).Public()
	forms := keyForms(want)
	forms["raw with space around"] = "\n " + forms["raw"] + "\r\n"
	forms["minisign with comment"] = "untrusted comment: any text\n" + forms["minisign"] + "\n"
	forms["minisign with CRLF"] = "untrusted comment: any text\r\n" + forms["minisign"] + "\r\n"
	forms["ssh with comment"] = forms["ssh"] + " root@host of the day\n"
	forms["pem with CRLF"] = strings.ReplaceAll(forms["pem"], "\n", "\r\n") + "\r\n"
	for form, text := range forms {
		t.Run(form, func(t *testing.T) {
			got, err := trust.ParseKey(text)
			if err != nil || got != want {
				t.Errorf("ParseKey = %v, %v; want %v", got, err, want)
			}
		})
	}
}

func TestMinisignKeyKeepsItsID(t *testing.T) {
	want := trust.PublicKey{Key: trusttest.Signer(1).Public().Key, ID: 0x0123456789ABCDEF}
	got, err := trust.ParseKey(want.String())
	if err != nil || got != want {
		t.Errorf("ParseKey = %+v, %v; want %+v", got, err, want)
	}
	if !strings.HasPrefix(want.String(), "RWTvzauJZ0UjA") {
		t.Errorf("form %s does not begin with type and little-endian id", want)
	}
}

func TestKeysRefused(t *testing.T) {
	good := keyForms(trusttest.Signer(1).Public())
	rsa := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: mustHex(t,
		"301b300d06092a864886f70d0101010500030a003007020200fb020103")}) // RSA, 8 bits
	for what, text := range map[string]string{
		"empty":                    "",
		"word":                     "config.json",
		"31 bytes":                 base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"33 bytes":                 base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"base64url":                strings.NewReplacer("+", "-", "/", "_").Replace("P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk="),
		"unpadded":                 strings.TrimRight(good["raw"], "="),
		"loose bits":               "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTl=",
		"broken into lines":        good["raw"][:20] + "\n" + good["raw"][20:],
		"two keys":                 good["raw"] + "\n" + good["raw"],
		"minisign private type":    "RX" + good["minisign"][2:],
		"minisign, only comment":   "untrusted comment: minisign public key",
		"ssh, other type":          "ssh-rsa " + strings.Fields(good["ssh"])[1],
		"ssh, type only":           "ssh-ed25519",
		"ssh, other type inside":   "ssh-ed25519 " + base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x07ssh-rsa")),
		"ssh, two lines":           good["ssh"] + "\n" + good["ssh"],
		"ssh, options in front":    `command="x" ` + good["ssh"],
		"pem, private":             string(trusttest.Signer(1).MarshalPEM()),
		"pem, certificate":         strings.ReplaceAll(good["pem"], "PUBLIC KEY", "CERTIFICATE"),
		"pem, rsa":                 string(rsa),
		"pem, text behind":         good["pem"] + "\nand more",
		"pem, header":              strings.Replace(good["pem"], "\n", "\nA: b\n\n", 1),
		"low order, zero":          base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"not a point of the curve": "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	} {
		t.Run(what, func(t *testing.T) {
			_, err := trust.ParseKey(text)
			wantRefusal(t, err, trust.ErrMalformed)
		})
	}
	_, err := trust.ParseKey(strings.Repeat("A", 1<<20))
	wantRefusal(t, err, trust.ErrTooLarge)
}

// TestLowOrderKeysRefused has every encoding of the eight points of low order, as the literature
// lists them: with both signs of x, and with y not reduced.
func TestLowOrderKeysRefused(t *testing.T) {
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000", // 0
		"0100000000000000000000000000000000000000000000000000000000000000", // 1
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // -1
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // p+1
	} {
		for _, sign := range []byte{0, 0x80} {
			raw := mustHex(t, y)
			raw[31] |= sign
			_, err := trust.ParseKey(base64.StdEncoding.EncodeToString(raw))
			wantRefusal(t, err, trust.ErrMalformed)
		}
	}
}

// TestMangledKeys changes each byte of a key's text in several ways, and cuts it anywhere. No
// result is the same key; most are none. (A key has no checksum: some are another key.)
func TestMangledKeys(t *testing.T) {
	good := trusttest.Signer(1).Public()
	for form, text := range keyForms(good) {
		t.Run(form, func(t *testing.T) {
			for i := range text {
				if got, err := trust.ParseKey(text[:i]); err == nil {
					t.Errorf("the first %d bytes are accepted as %v", i, got)
				}
				for _, b := range []byte{text[i] ^ 1, text[i] ^ 0x20, text[i] ^ 0x80, 0, ' ', '\n', '=', 'A'} {
					bad := text[:i] + string([]byte{b}) + text[i+1:]
					got, err := trust.ParseKey(bad)
					if b != text[i] && err == nil && got == good {
						t.Errorf("byte %d as %q is accepted as the same key", i, b)
					}
				}
			}
		})
	}
}

func TestReadKey(t *testing.T) {
	want := trusttest.Signer(1).Public()
	dir := t.TempDir()
	for form, text := range keyForms(want) {
		if got, err := trust.ReadKey(text); err != nil || got != want {
			t.Errorf("%s as text: %v, %v", form, got, err)
		}
		path := filepath.Join(dir, form)
		writeFile(t, path, text+"\n")
		if got, err := trust.ReadKey(path); err != nil || got != want {
			t.Errorf("%s as file: %v, %v", form, got, err)
		}
	}
	huge := filepath.Join(dir, "huge")
	writeFile(t, huge, strings.Repeat(" ", 16<<10)+want.Key.String())
	private := filepath.Join(dir, "private")
	writeFile(t, private, string(trusttest.Signer(1).MarshalPEM()))
	for _, bad := range []string{"", "absent", dir, huge, private, strings.Repeat("x/", 5000)} {
		if _, err := trust.ReadKey(bad); err == nil {
			t.Errorf("%.20q is accepted", bad)
		} else {
			wantRefusal(t, err, trust.ErrMalformed)
		}
	}
}

func TestSPKI(t *testing.T) {
	want := trusttest.Signer(1).Public().Key
	block, rest := pem.Decode(want.MarshalPEM())
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %v, %q", block, rest)
	}
	if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		t.Error(err)
	}
	if !slices.Equal(block.Bytes[len(block.Bytes)-32:], want[:]) {
		t.Error("the key is not inside")
	}
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
