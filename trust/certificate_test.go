package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// derOf signs a certificate that ParseChain would not take.
func derOf(t *testing.T, public any, change func(*x509.Certificate)) []byte {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ann"}, NotBefore: now, NotAfter: now}
	change(c)
	der, err := x509.CreateCertificate(nil, c, &x509.Certificate{}, public, networkKey.Ed25519())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestChainsThereAndBack(t *testing.T) {
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	sub := trusttest.Authority(t, authorityKey, ca, deputy, "rack")
	for _, want := range []trust.Chain{ca, sub, trusttest.Certify(t, deputyKey, sub, member, "ann")} {
		text := want.PEM()
		crlf := bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		for _, form := range [][]byte{text, crlf, append([]byte("Certificate:\n    Data:\n"), text...), append(bytes.Clone(text), "\nbag attributes\n"...)} {
			got, err := trust.ParseChain(form)
			if err != nil || !bytes.Equal(got.DER(), want.DER()) || !bytes.Equal(got.PEM(), text) || got.Key() != want.Key() {
				t.Errorf("%q gives %v", form, err)
			}
		}
		got, err := trust.ParseChainDER(want.DER())
		if err != nil || !bytes.Equal(got.PEM(), text) {
			t.Errorf("DER: %v", err)
		}
	}
	if !noChain.IsZero() || noChain.Key() != (trust.Key{}) || noChain.PEM() != nil || noChain.DER() != nil {
		t.Error("the zero Chain claims to be one")
	}
}

// TestChainsRefused has a row for what is no chain.
func TestChainsRefused(t *testing.T) {
	one := trusttest.Certify(t, networkKey, noChain, member, "ann").PEM()
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(*x509.Certificate) {}
	good := func() []byte { return derOf(t, ed25519.PublicKey(member[:]), nothing) }
	for what, c := range map[string]struct {
		text []byte
		want error
	}{
		"empty":                {nil, trust.ErrMalformed},
		"garbage":              {[]byte("garbage"), trust.ErrMalformed},
		"DER":                  {good(), trust.ErrMalformed},
		"huge":                 {bytes.Repeat([]byte("x"), trust.MaxSignature+1), trust.ErrTooLarge},
		"huge PEM":             {block("CERTIFICATE", make([]byte, 1<<20)), trust.ErrTooLarge},
		"four":                 {bytes.Repeat(one, 4), trust.ErrMalformed},
		"cut":                  {one[:len(one)-10], trust.ErrMalformed},
		"damaged base64":       {bytes.Replace(one, []byte("M"), []byte("!"), 1), trust.ErrMalformed},
		"first one damaged":    {append(bytes.Replace(one, []byte("MI"), []byte("!I"), 1), one...), trust.ErrMalformed},
		"headers":              {bytes.Replace(one, []byte("-----\n"), []byte("-----\nA: b\n\n"), 1), trust.ErrMalformed},
		"private key":          {memberKey.MarshalPEM(), trust.ErrMalformed},
		"public key":           {member.MarshalPEM(), trust.ErrMalformed},
		"private key behind":   {append(bytes.Clone(one), memberKey.MarshalPEM()...), trust.ErrMalformed},
		"no DER":               {block("CERTIFICATE", []byte("garbage")), trust.ErrMalformed},
		"empty block":          {block("CERTIFICATE", nil), trust.ErrMalformed},
		"bytes behind the DER": {block("CERTIFICATE", append(good(), 0)), trust.ErrMalformed},
		"four in one block":    {block("CERTIFICATE", bytes.Repeat(good(), 4)), trust.ErrMalformed},
		"key of another kind":  {block("CERTIFICATE", derOf(t, p256.Public(), nothing)), trust.ErrMalformed},
		"key of low order":     {block("CERTIFICATE", derOf(t, ed25519.PublicKey(append([]byte{1}, make([]byte, 31)...)), nothing)), trust.ErrMalformed},
		"one too large": {block("CERTIFICATE", derOf(t, ed25519.PublicKey(member[:]), func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, 3000)}}
		})), trust.ErrTooLarge},
		"critical extension": {block("CERTIFICATE", derOf(t, ed25519.PublicKey(member[:]), func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true}}
		})), trust.ErrMalformed},
		"limited to names that mean nothing here": {block("CERTIFICATE", derOf(t, ed25519.PublicKey(member[:]), func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.org"}, true
		})), trust.ErrMalformed},
	} {
		t.Run(what, func(t *testing.T) {
			chain, err := trust.ParseChain(c.text)
			wantRefusal(t, err, c.want)
			if !chain.IsZero() {
				t.Error("refused, but gave a chain")
			}
		})
	}
	_, err = trust.ParseChainDER(make([]byte, 1<<20))
	wantRefusal(t, err, trust.ErrTooLarge)
	_, err = trust.ParseChainDER(nil)
	wantRefusal(t, err, trust.ErrMalformed)
}

// TestLongestChainFits puts the longest chain that is read behind the longest signature.
func TestLongestChainFits(t *testing.T) {
	pad := func(size int) trust.Chain {
		return issueAny(t, networkKey, noChain, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, size)}}
		})
	}
	size := 2800 - len(pad(1000).DER()) + 1000
	long := pad(size)
	if got := len(long.DER()); got != 2800 {
		t.Fatalf("a certificate of %d bytes; want 2800", got)
	}
	text := joined(t, long, long, long).PEM()
	if most := trust.MaxSignature - 4096; len(text) > most {
		t.Errorf("%d bytes of PEM; there is room for %d", len(text), most)
	}
	if _, err := trust.ParseChain(text); err != nil {
		t.Error(err)
	}
	if strings.Count(string(text), "BEGIN") != 3 {
		t.Error("not the longest chain")
	}
}

// TestCertificatesElsewhereAreNotKept puts one behind the signature of an ordinary file.
func TestCertificatesElsewhereAreNotKept(t *testing.T) {
	p := namespacePolicy(t, nil)
	r, err := p.Verify(publish(t, fileKey, "config.json", nil, trusttest.Certify(t, foreignKey, noChain, fileKey.Public().Key, "eve")), now)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := r.Member(); ok || m != (trust.Member{}) || bytes.Contains(r.Signature(), []byte("CERTIFICATE")) {
		t.Errorf("member %+v, %v; signature:\n%s", m, ok, r.Signature())
	}
}

// TestMangledCertificates changes every byte behind the signature, and cuts it anywhere. Nothing but
// the same member's certificate by the same network is accepted.
func TestMangledCertificates(t *testing.T) {
	ca := trusttest.Authority(t, networkKey, noChain, authority, "site")
	good := publish(t, memberKey, telemetry, []byte("x"), trusttest.Certify(t, authorityKey, ca, member, "ann"))
	p := namespacePolicy(t, nil)
	want, err := p.Verify(good, now)
	if err != nil {
		t.Fatal(err)
	}
	sig := good.Signature()
	start := bytes.Index(sig, []byte("-----BEGIN"))
	try := func(what string, sig []byte) {
		if _, err := p.Verify(trust.NewClaim(good.Name(), sig, []byte("x")), now); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	values := []byte{0, '\n', '\r', ' ', '-', 'A', 'B', '/', '=', 0x80, 0xff}
	for i := start; i < len(sig); i++ {
		if i != len(sig)-1 { // the last line feed may be missing
			try(fmt.Sprintf("the first %d of %d bytes", i, len(sig)), sig[:i])
		}
		for _, b := range slices.Concat(values, []byte{sig[i] ^ 1, sig[i] ^ 0x20}) {
			if b == sig[i] {
				continue
			}
			bad := bytes.Clone(sig)
			bad[i] = b
			try(fmt.Sprintf("byte %d as %q", i, b), bad)
		}
	}
	for _, extra := range []string{"\n", "x", "\nx", " ", "\r\n"} {
		try(fmt.Sprintf("%q behind", extra), append(bytes.Clone(sig), extra...))
	}
	if r, err := p.Verify(trust.NewClaim(good.Name(), sig[:len(sig)-1], []byte("x")), now); err != nil || !bytes.Equal(r.Signature(), want.Signature()) {
		t.Errorf("without the last line feed: %v", err)
	}
}
