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

// BenchmarkVerifyInNamespace proves the signature and the longest chain.
func BenchmarkVerifyInNamespace(b *testing.B) {
	ca := trusttest.Authority(b, networkKey, noChain, authority, "site")
	sub := trusttest.Authority(b, authorityKey, ca, deputy, "rack")
	p, c := namespacePolicy(b, nil), publish(b, memberKey, telemetry, nil, trusttest.Certify(b, deputyKey, sub, member, "ann"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Verify(c, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseAmendment reads the largest travelling policies: one that means something, and those
// that make the parser work hardest.
func BenchmarkParseAmendment(b *testing.B) {
	fill := func(line func(i int) string) []byte {
		var text []byte
		for i := 0; len(text) < 1<<20-256; i++ {
			text = append(text, line(i)...)
		}
		return text
	}
	key := otherKey.Public().Key.String()
	for what, text := range map[string][]byte{
		"files":   append([]byte("[files]\n"), fill(func(i int) string { return fmt.Sprintf("%q = [ %q ]\n", fmt.Sprint("f", i), key) })...),
		"headers": fill(func(i int) string { return fmt.Sprintf("[a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p%d]\n", i) }),
		"dotted":  fill(func(i int) string { return fmt.Sprintf("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p%d = 1\n", i) }),
		"lists":   fill(func(int) string { return "[[a]]\n" }),
		"list":    append([]byte("x = ["), fill(func(int) string { return "1," })...),
	} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if _, err := trust.ParseAmendment(text); (err == nil) != (what == "files") {
					b.Fatal(err)
				}
			}
		})
	}
}
