package index

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// A publisher makes records of one member.
type publisher struct {
	testing.TB
	policy *trust.Policy
	signer *trust.Signer
	chain  trust.Chain
	home   string
}

func newPublisher(t testing.TB) *publisher {
	network, s := trusttest.Signer(9), trusttest.Signer(1)
	p, err := trust.NewPolicy(trust.Rules{Network: network.Public().Key, Namespaces: []string{"ns"}})
	if err != nil {
		t.Fatal(err)
	}
	k := s.Public().Key
	pub := &publisher{t, p, s, trust.Chain{}, "ns/" + base64.RawURLEncoding.EncodeToString(k[:]) + "/"}
	pub.renew(time.Hour)
	return pub
}

// renew gives the member another certificate.
func (p *publisher) renew(validity time.Duration) {
	chain, err := trusttest.Signer(9).Certify(trust.CertificateSpec{
		Name: "a", Key: p.signer.Public().Key, NotBefore: time.Now(), NotAfter: time.Now().Add(validity),
	}, trust.Chain{})
	if err != nil {
		p.Fatal(err)
	}
	p.chain = chain
}

func (p *publisher) record(rest string, v trust.Version, content []byte, deleted bool) trust.Record {
	n := trusttest.Name(p, p.home+rest)
	sig, err := p.signer.Sign(trust.DigestOf(content), trust.Statement{Name: n, Version: v, Deleted: deleted, Network: p.policy.Network()})
	if err != nil {
		p.Fatal(err)
	}
	r, err := p.policy.Verify(trust.NewClaim(n, append(sig, p.chain.PEM()...), content), time.Now())
	if err != nil {
		p.Fatal(err)
	}
	return r
}

// What is kept up step by step is what one would count.
func TestLedgerAddsUp(t *testing.T) {
	p := newPublisher(t)
	ix, err := Open(filepath.Join(t.TempDir(), "index"), p.policy)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	ix.SetQuota(20, 2000)
	for round := range 60 {
		if round%7 == 0 {
			p.renew(time.Duration(round+2) * time.Hour)
		}
		if round%14 == 0 {
			if err := ix.Learn(p.chain); err != nil {
				t.Fatal(err)
			}
		}
		var recs []trust.Record
		for range 5 {
			name := fmt.Sprintf("%d/%d", rand.IntN(6), rand.IntN(6))
			if rand.IntN(3) == 0 {
				name = fmt.Sprint(rand.IntN(6))
			}
			deleted, size := rand.IntN(3) == 0, rand.IntN(200)
			if deleted {
				size = 0
			}
			recs = append(recs, p.record(name, trust.Version(rand.IntN(1000)+1), make([]byte, size), deleted))
		}
		if _, err := ix.Apply("", recs...); err != nil {
			t.Fatal(err)
		}
	}
	kept := ix.ledger
	if err := ix.SetPolicy(p.policy); err != nil { // counts all
		t.Fatal(err)
	}
	if !reflect.DeepEqual(kept, ix.ledger) {
		t.Errorf("kept %+v\ncounted %+v", kept, ix.ledger)
	}
	if u := ix.ledger.usage[owner{"ns", p.signer.Public().Key}]; u.files == 0 || u.files > 20 || u.bytes > 2000 {
		t.Errorf("%+v", u)
	}
	if err := ix.Check(); err != nil {
		t.Error(err)
	}
}

func TestEnds(t *testing.T) {
	s := ends{byName: map[trust.Name]*ending{}}
	model := map[trust.Name]time.Time{}
	var names []trust.Name
	for i := range 50 {
		names = append(names, trusttest.Name(t, fmt.Sprint(i)))
	}
	for range 5000 {
		n, at := names[rand.IntN(len(names))], time.Unix(rand.Int64N(100), 0)
		if rand.IntN(3) == 0 {
			at = time.Time{}
		}
		s.set(n, at)
		if model[n] = at; at.IsZero() {
			delete(model, n)
		}
		now := time.Unix(rand.Int64N(100), 0)
		due := s.due(now, len(names))
		for n, at := range model {
			if slices.Contains(due, n) != !at.After(now) {
				t.Fatalf("%s ends at %v, at %v: %v", n, at, now, due)
			}
		}
		if some := s.due(now, 3); len(some) != min(3, len(due)) {
			t.Fatalf("%d of %d are due", len(some), len(due))
		}
		if next, ok := s.next(); ok != (len(model) > 0) || ok && slices.ContainsFunc(s.queue, func(e *ending) bool { return e.at.Before(next) }) {
			t.Fatalf("next is %v, %v", next, ok)
		}
	}
	if len(s.queue) != len(model) {
		t.Errorf("%d, not %d", len(s.queue), len(model))
	}
}

// BenchmarkApplyWithQuota must not depend on how much the member has.
func BenchmarkApplyWithQuota(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			p := newPublisher(b)
			ix, err := Open(filepath.Join(b.TempDir(), "index"), p.policy)
			if err != nil {
				b.Fatal(err)
			}
			defer ix.Close()
			ix.SetQuota(n, 1<<30)
			var recs []trust.Record
			for i := range n {
				recs = append(recs, p.record(fmt.Sprint(i), 1, []byte("x"), false))
			}
			if _, err := ix.Apply("", recs...); err != nil {
				b.Fatal(err)
			}
			for v := trust.Version(2); b.Loop(); v++ {
				b.StopTimer()
				r := p.record("7", v, []byte("y"), false)
				b.StartTimer()
				if out, err := ix.Apply("", r); err != nil || out[0].Err != nil {
					b.Fatal(err, out)
				}
			}
		})
	}
}
