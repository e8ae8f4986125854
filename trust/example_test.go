package trust_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// The example of the package comment. Everybody knows this key: use it for nothing.
const exampleKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGRtZnM6IGEga2V5IHRoYXQgZXZlcnlib2R5IGtub3dz
-----END PRIVATE KEY-----
`

func Example() {
	// Somebody signs a file.
	signer, err := trust.ParseSigner([]byte(exampleKey), nil)
	if err != nil {
		panic(err)
	}
	greeting, err := trust.ParseName("greeting")
	if err != nil {
		panic(err)
	}
	content := []byte("hello\n")
	signed := time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.UTC)
	sig, err := signer.Sign(trust.DigestOf(content), trust.Statement{
		Name: greeting, Version: trust.VersionAt(signed), TTL: 240 * time.Hour,
	})
	if err != nil {
		panic(err)
	}

	// Somebody else knows the public key and proves it.
	policy, err := trust.NewPolicy(trust.Rules{
		Files: map[trust.Name][]trust.PublicKey{greeting: {signer.Public()}},
	})
	if err != nil {
		panic(err)
	}
	record, err := policy.Verify(trust.NewClaim(greeting, sig, content), signed.Add(time.Hour))
	if err != nil {
		panic(err)
	}

	fmt.Println(signer.Public().Key)
	fmt.Println(signer.Public())
	fmt.Println(strings.ReplaceAll(string(record.Signature()), "\t", "    "))
	fmt.Println(record.Name(), record.Version().Time())

	// One changed byte, and it proves nothing.
	_, err = policy.Verify(trust.NewClaim(greeting, sig, []byte("jello\n")), signed)
	fmt.Println(err)

	// Output:
	// Se1LtOKtPMnfoL+eFj8Zls/R3lmGfOsMt3k/qf2EHK0=
	// RWRf11G+is7/tUntS7TirTzJ36C/nhY/GZbP0d5ZhnzrDLd5P6n9hByt
	// untrusted comment: minisign -Vm greeting -x greeting.sig -P RWRf11G+is7/tUntS7TirTzJ36C/nhY/GZbP0d5ZhnzrDLd5P6n9hByt
	// RURf11G+is7/tW5afSNckacbrWToXrEj0X1I2f46pKH1kxPtDuWn5LUY/K4R14hBrYDVyGL7ZobzsENHjIYuR46Efo+OTDVgIgw=
	// trusted comment: timestamp:1795435200.5    file:greeting    ttl:240h0m0s    hashed
	// W1sMIPEG9sRm6ISuHNVwRyof1eEKC22CGu8lYCD2ZI+IyaqEBFH21tLc0jaIrACI/Kl2SY5IGcwApBCDi0VABw==
	//
	// greeting 2026-11-23 12:00:00.5 +0000 UTC
	// greeting: the content is not the one that was signed
}

// TestExampleInPackageComment compares the page with what the code does, byte for byte.
func TestExampleInPackageComment(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := trust.ParseSigner([]byte(exampleKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	greeting, err := trust.ParseName("greeting")
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.Sign(trust.DigestOf([]byte("hello\n")), trust.Statement{
		Name:    greeting,
		Version: trust.VersionAt(time.Date(2026, 11, 23, 12, 0, 0, 500_000_000, time.UTC)),
		TTL:     240 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	public := signer.Public()
	for _, text := range []string{exampleKey, public.Key.String() + "\n" + public.String() + "\n", string(sig)} {
		quoted := "//\t" + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n//\t") + "\n"
		if !strings.Contains(string(source), quoted) {
			t.Errorf("the package comment does not contain:\n%s", quoted)
		}
	}
}

// TestCertificateInPackageComment proves the certificate on the page and finds what the page says.
func TestCertificateInPackageComment(t *testing.T) {
	signer, err := trust.ParseSigner([]byte(exampleKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	source := pageOf(t)
	_, text, _ := strings.Cut(source, "-----BEGIN CERTIFICATE-----")
	text, _, _ = strings.Cut(text, "-----END CERTIFICATE-----")
	chain, err := trust.ParseChain([]byte("-----BEGIN CERTIFICATE-----" + text + "-----END CERTIFICATE-----\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := newPolicy(t, trust.Rules{Network: signer.Public().Key, Namespaces: []string{"telemetry"}})
	m, err := p.VerifyMember(chain, now)
	if err != nil || m.Name != "ann" || m.NotBefore.Year() != 2026 || !m.NotAfter.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v, %v", m, err)
	}
	place := "telemetry/" + keyPart(m.Key)
	if _, k, ok := p.Namespace(trusttest.Name(t, place)); !ok || k != m.Key {
		t.Errorf("%s is of %v", place, k)
	}
	for _, want := range []string{m.Key.String(), m.Serial, "\n" + place + "\n"} {
		if !strings.Contains(source, want) {
			t.Errorf("the package comment does not contain %s", want)
		}
	}
}

// TestPolicyInPackageComment amends a policy with the page's.
func TestPolicyInPackageComment(t *testing.T) {
	_, text, _ := strings.Cut(pageOf(t), "\n[files] ")
	text, _, _ = strings.Cut(text, "\nAnything else")
	p := namespacePolicy(t, func(r *trust.Rules) { r.Namespaces = nil })
	p, err := p.Amend(amendment(t, "[files] "+text))
	if err != nil || !p.Admits(trusttest.Name(t, "motd")) || len(p.Namespaces()) != 1 || len(p.Overruled()) != 0 {
		t.Fatalf("%v: %v", p, err)
	}
	_, err = p.Verify(publish(t, fileKey, "config.json", nil, noChain), now)
	if err != nil {
		t.Errorf("within the bounds: %v", err)
	}
	_, err = p.Verify(publishAt(t, fileKey, "config.json", nil, noChain, trust.VersionAt(now.AddDate(1, 0, 0))), now)
	wantRefusal(t, err, trust.ErrNotAllowed)
}

// pageOf is the package comment without the marks of a comment.
func pageOf(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("\n//\t", "\n", "\n// ", "\n", "\n//", "\n").Replace(string(source))
}
