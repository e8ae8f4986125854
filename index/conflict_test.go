package index_test

import (
	"testing"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestConflict(t *testing.T) {
	p := union(t, nil)
	ix := indextest.Open(t, p)
	cert := certificate(t, network, alice, "a", time.Hour)
	v := now()
	record := func(rest string) trust.Record {
		t.Helper()
		v++
		return published(t, p, alice, cert, saying(t, mine(alice, "ns", rest), v), rest)
	}
	gone := func(rest string) trust.Record {
		v++
		return published(t, p, alice, cert, stone(t, mine(alice, "ns", rest), v), "")
	}
	out, err := ix.Apply("", record(""), record("/x"), gone(""), record("/x"), record("/x/y"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, index.ErrConflict, nil, nil, index.ErrConflict} {
		is(t, out[i].Err, want)
	}
	offered(t, ix, record(""), index.ErrConflict)
	offered(t, ix, gone(""), nil)
	offered(t, ix, gone("/x"), nil)
	offered(t, ix, record("/x/y/z"), nil)
	offered(t, ix, record("/x/y"), index.ErrConflict)
	offered(t, ix, record("/x/yy"), nil)
	apply(t, ix, published(t, p, bob, certificate(t, network, bob, "b", time.Hour), saying(t, mine(bob, "ns", ""), v), "bob's"))
}

// What a policy brings back does not return in the way of what came meanwhile.
func TestConflictOfWhatReturns(t *testing.T) {
	p := union(t, nil)
	upper, lower := mine(alice, "ns", ""), mine(alice, "ns", "/x")
	without := union(t, func(r *trust.Rules) {
		r.Bounds = map[trust.Name]trust.Bounds{trusttest.Name(t, upper): {NotAfter: 1}}
	})
	ix := indextest.Open(t, p)
	cert := certificate(t, network, alice, "a", time.Hour)
	first := published(t, p, alice, cert, saying(t, upper, 5), "first")
	apply(t, ix, first)
	if err := ix.SetPolicy(without); err != nil {
		t.Fatal(err)
	}
	apply(t, ix, published(t, without, alice, cert, saying(t, lower, 6), "second"))
	if err := ix.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	hidden(t, ix, upper)
	shows(t, ix, lower, "second")
	offered(t, ix, first, index.ErrConflict)
	apply(t, ix, published(t, p, alice, cert, stone(t, lower, 7), ""))
	if err := ix.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	shows(t, ix, upper, "first")
}
