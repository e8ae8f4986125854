package trust_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// stockOpenssl returns the program's path. Without it the test says loudly that nothing was checked.
func stockOpenssl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatal("openssl is not installed, and CI must not go without it")
	}
	t.Skip("NOT CHECKED against stock openssl: it is not installed")
	return ""
}

// selfSigned has openssl wrap the network's key into the certificate that its tools want at the top.
func selfSigned(t *testing.T, openssl, dir string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, "network.key"), string(networkKey.MarshalPEM()))
	id := base64.RawURLEncoding.EncodeToString(network[:])
	run(t, dir, openssl, "req", "-x509", "-new", "-key", "network.key", "-subj", "/CN="+id, "-days", "4000", "-out", "network.pem")
}

// TestStockOpensslReadsOurs shows and verifies chains of every length with the real program.
func TestStockOpensslReadsOurs(t *testing.T) {
	openssl, dir := stockOpenssl(t), t.TempDir()
	selfSigned(t, openssl, dir)
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	sub := trusttest.Authority(t, authorityKey, ca, deputy, "rack")
	for what, chain := range map[string]trust.Chain{
		"direct":        trusttest.Certify(t, networkKey, noChain, member, "ann"),
		"one authority": trusttest.Certify(t, authorityKey, ca, member, "ann"),
		"two":           trusttest.Certify(t, deputyKey, sub, member, "ann"),
	} {
		t.Run(what, func(t *testing.T) {
			writeFile(t, filepath.Join(dir, "chain.pem"), string(chain.PEM()))
			run(t, dir, openssl, "verify", "-CAfile", "network.pem", "-untrusted", "chain.pem", "chain.pem")
			text := run(t, dir, openssl, "x509", "-in", "chain.pem", "-noout", "-text", "-serial", "-pubkey")
			for _, want := range []string{"CN = ann", "ED25519", "CA:FALSE", "Digital Signature", string(member.MarshalPEM()), strings.ToUpper(verified(t, chain).Serial)} {
				if !strings.Contains(text, want) {
					t.Errorf("openssl does not show %q:\n%s", want, text)
				}
			}
		})
	}
}

// TestStockOpensslIssuesForUs makes certificates as openssl's users do, without any of our help:
// by the network's key itself, by its self-signed certificate, and through an authority.
func TestStockOpensslIssuesForUs(t *testing.T) {
	openssl, dir := stockOpenssl(t), t.TempDir()
	selfSigned(t, openssl, dir)
	writeFile(t, filepath.Join(dir, "ann.key"), string(memberKey.MarshalPEM()))
	writeFile(t, filepath.Join(dir, "ann.pub"), string(member.MarshalPEM()))
	writeFile(t, filepath.Join(dir, "ca.ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
	writeFile(t, filepath.Join(dir, "leaf.ext"), "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
	writeFile(t, filepath.Join(dir, "site.key"), string(authorityKey.MarshalPEM()))
	request := func(name, subject string) {
		run(t, dir, openssl, "req", "-new", "-key", name+".key", "-subj", subject, "-out", name+".csr")
	}
	request("ann", "/CN=ann")
	request("site", "/O=Example/CN=site")
	sign := func(out string, args ...string) {
		run(t, dir, append([]string{openssl, "x509", "-days", "3000", "-out", out}, args...)...)
	}
	sign("direct.pem", "-req", "-in", "ann.csr", "-CA", "network.pem", "-CAkey", "network.key", "-set_serial", "0x0abc")
	sign("forced.pem", "-new", "-force_pubkey", "ann.pub", "-subj", "/CN=ann", "-CA", "network.pem", "-CAkey", "network.key", "-extfile", "leaf.ext", "-text")
	sign("site.pem", "-req", "-in", "site.csr", "-CA", "network.pem", "-CAkey", "network.key", "-extfile", "ca.ext")
	sign("below.pem", "-req", "-in", "ann.csr", "-CA", "site.pem", "-CAkey", "site.key", "-extfile", "leaf.ext")
	run(t, dir, openssl, "req", "-x509", "-new", "-key", "ann.key", "-subj", "/CN=ann", "-out", "self.pem")
	read := func(names ...string) (text []byte) {
		for _, name := range names {
			part, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, part...)
		}
		return text
	}
	p := newPolicy(t, trust.Rules{Network: network})
	for what, c := range map[string]struct {
		text []byte
		want error
	}{
		"by the network":              {read("direct.pem"), nil},
		"without a request":           {read("forced.pem"), nil},
		"through an authority":        {read("below.pem", "site.pem"), nil},
		"with the top of the chain":   {read("below.pem", "site.pem", "network.pem"), nil},
		"by itself, as req -x509 has": {read("self.pem"), trust.ErrMalformed},
		"authority missing":           {read("below.pem"), trust.ErrUnknownKey},
	} {
		t.Run(what, func(t *testing.T) {
			chain, err := trust.ParseChain(c.text)
			if err != nil {
				t.Fatal(err)
			}
			m, err := p.VerifyMember(chain, time.Now())
			if c.want != nil {
				wantRefusal(t, err, c.want)
				return
			}
			if err != nil || m.Name != "ann" || m.Key != member {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
	direct, err := trust.ParseChain(read("direct.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := p.VerifyMember(direct, time.Now()); err != nil || m.Serial != "0abc" {
		t.Errorf("serial %q, %v; openssl shows 0ABC", m.Serial, err)
	}
}
