package trust_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// contenders are records of one name in every combination of few values, so that many pairs tie
// in all but one respect.
func contenders(t *testing.T) (all []trust.Record) {
	t.Helper()
	n := trusttest.Name(t, "a")
	signers := []*trust.Signer{trusttest.Signer(1), trusttest.Signer(2)}
	p := newPolicy(t, trust.Rules{Files: map[trust.Name][]trust.PublicKey{n: {signers[0].Public(), signers[1].Public()}}})
	for _, s := range signers {
		for _, content := range []string{"", "x"} {
			for _, st := range []trust.Statement{
				{Version: 1}, {Version: 2}, {Version: 3}, {Version: 2, TTL: 1}, {Version: 2, TTL: 2}, {Version: 2, Deleted: true},
			} {
				if st.Deleted && content != "" {
					continue
				}
				st.Name = n
				sig, err := s.Sign(trust.DigestOf([]byte(content)), st)
				if err != nil {
					t.Fatal(err)
				}
				r, err := p.Verify(trust.NewClaim(n, sig, []byte(content)), time.Unix(0, 0))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, r)
			}
		}
	}
	return all
}

// TestI4CompareIsATotalOrder checks every pair and every triple.
func TestI4CompareIsATotalOrder(t *testing.T) {
	all := contenders(t)
	for i, a := range all {
		for j, b := range all {
			ab := trust.Compare(a, b)
			if ab != -trust.Compare(b, a) {
				t.Fatalf("%d and %d: not antisymmetric", i, j)
			}
			if (ab == 0) != (i == j) {
				t.Fatalf("%d and %d differ, but compare as the same", i, j)
			}
			for k, c := range all {
				if ab > 0 && trust.Compare(b, c) > 0 && trust.Compare(a, c) <= 0 {
					t.Fatalf("%d, %d and %d: not transitive", i, j, k)
				}
			}
		}
	}
}

// TestI4AnyOrderGivesTheSameWinner lets the records arrive in many orders, with repetitions.
func TestI4AnyOrderGivesTheSameWinner(t *testing.T) {
	all := contenders(t)
	random := rand.New(rand.NewPCG(1, 2))
	var first trust.Record
	for round := range 200 {
		arrivals := append(random.Perm(len(all)), random.Perm(len(all))...)
		held := all[arrivals[0]]
		for _, i := range arrivals[1:] {
			if trust.Compare(all[i], held) > 0 {
				held = all[i]
			}
		}
		if round == 0 {
			first = held
		}
		if trust.Compare(held, first) != 0 {
			t.Fatalf("round %d ends with version %d by %v, the first with %d by %v", round, held.Version(), held.Signer(), first.Version(), first.Signer())
		}
	}
}

// TestI4WhatWins has a row for each step of the rule.
func TestI4WhatWins(t *testing.T) {
	low, high := trusttest.Signer(1), trusttest.Signer(2)
	if low.Public().Key.String() > high.Public().Key.String() {
		low, high = high, low
	}
	n := trusttest.Name(t, "a")
	p := newPolicy(t, trust.Rules{Files: map[trust.Name][]trust.PublicKey{n: {low.Public(), high.Public()}}})
	small, great := []byte("x"), []byte("y")
	if trust.DigestOf(small).String() > trust.DigestOf(great).String() {
		small, great = great, small
	}
	record := func(s *trust.Signer, content []byte, st trust.Statement) trust.Record {
		st.Name = n
		sig, err := s.Sign(trust.DigestOf(content), st)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Verify(trust.NewClaim(n, sig, content), time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		what          string
		winner, loser trust.Record
	}{
		{"later version", record(low, small, trust.Statement{Version: 2}), record(high, great, trust.Statement{Version: 1})},
		{"greater digest", record(low, great, trust.Statement{Version: 2}), record(high, small, trust.Statement{Version: 2})},
		{"greater key", record(high, great, trust.Statement{Version: 2}), record(low, great, trust.Statement{Version: 2})},
		{"tombstone", record(low, nil, trust.Statement{Version: 2, Deleted: true}), record(low, nil, trust.Statement{Version: 2})},
		{"longer life", record(low, small, trust.Statement{Version: 2, TTL: 2}), record(low, small, trust.Statement{Version: 2, TTL: 1})},
		{"life without end", record(low, small, trust.Statement{Version: 2}), record(low, small, trust.Statement{Version: 2, TTL: 1})},
	} {
		if trust.Compare(c.winner, c.loser) != 1 || trust.Compare(c.loser, c.winner) != -1 {
			t.Errorf("%s does not win", c.what)
		}
	}
}

func TestRecordFacts(t *testing.T) {
	s, n, content := trusttest.Signer(1), trusttest.Name(t, "a"), []byte("x")
	sig, err := s.Sign(trust.DigestOf(content), trust.Statement{Name: n, Version: 5, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r, err := trusttest.Policy(t, s, "a").Verify(trust.NewClaim(n, sig, content), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if r.Name() != n || r.Signer() != s.Public().Key || r.Version() != 5 || r.Digest() != trust.DigestOf(content) || r.TTL() != time.Hour {
		t.Errorf("%+v", r)
	}
	if end, ok := r.Expires(); !ok || !end.Equal(time.Unix(3600, 5)) {
		t.Errorf("expires at %v, %v", end, ok)
	}
	if end, ok := trusttest.Record(t, trusttest.Policy(t, s, "a"), s, "a", content, 5).Expires(); ok {
		t.Errorf("a record without lifetime expires at %v", end)
	}
}
