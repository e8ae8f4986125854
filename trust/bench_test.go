package trust_test

import (
	"fmt"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func BenchmarkVerifyHead(b *testing.B) {
	content := []byte("content")
	benchmarkVerify(b, func(n trust.Name, sig []byte) trust.Claim {
		return trust.NewHead(n, sig, trust.DigestOf(content))
	}, content)
}

func BenchmarkVerifyContent(b *testing.B) {
	for _, size := range []int{1 << 10, 10 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			content := make([]byte, size)
			b.SetBytes(int64(size))
			benchmarkVerify(b, func(n trust.Name, sig []byte) trust.Claim { return trust.NewClaim(n, sig, content) }, content)
		})
	}
}

func benchmarkVerify(b *testing.B, claim func(trust.Name, []byte) trust.Claim, content []byte) {
	s := trusttest.Signer(1)
	p := trusttest.Policy(b, s, "dns/cnames")
	c := claim(trusttest.Name(b, "dns/cnames"), trusttest.Sign(b, s, "dns/cnames", content, 1))
	at := time.Unix(1, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Verify(c, at); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyStranger is what the worst hostile signature costs: every key is tried in vain.
func BenchmarkVerifyStranger(b *testing.B) {
	n := trusttest.Name(b, "a")
	files := make(map[trust.Name][]trust.PublicKey)
	for i := range 64 {
		files[n] = append(files[n], trusttest.Signer(i).Public())
		files[trusttest.Name(b, fmt.Sprint("b/", i))] = []trust.PublicKey{trusttest.Signer(100 + i).Public()}
	}
	p := newPolicy(b, trust.Rules{Files: files})
	c := trust.NewClaim(n, trusttest.Sign(b, trusttest.Signer(999), "a", nil, 1), nil)
	for b.Loop() {
		if _, err := p.Verify(c, time.Unix(1, 0)); err == nil {
			b.Fatal("accepted")
		}
	}
}
