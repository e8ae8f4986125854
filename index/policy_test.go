package index_test

import (
	"path/filepath"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// hidden fails unless the name is held and not shown. What is not over says nothing of its version either.
func hidden(t testing.TB, ix *index.Index, name string) {
	t.Helper()
	if e := get(t, ix, name); e.Shown || !e.Expired && !e.Record.IsZero() {
		t.Fatalf("%s is shown, or its record is", name)
	}
}

func TestI10PolicyHidesAndReturns(t *testing.T) {
	with := policy(t, may{"f": {alice}, "g": {alice}})
	without := policy(t, may{"f": {bob}, "g": {alice}})
	// The two ways by which another policy comes into force.
	for name, change := range map[string]func(*testing.T, *index.Index, string, *trust.Policy) *index.Index{
		"set": func(t *testing.T, ix *index.Index, _ string, p *trust.Policy) *index.Index {
			if err := ix.SetPolicy(p); err != nil {
				t.Fatal(err)
			}
			return ix
		},
		"open": func(t *testing.T, ix *index.Index, path string, p *trust.Policy) *index.Index {
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
			return indextest.OpenAt(t, path, p)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			ix := indextest.OpenAt(t, path, with)
			apply(t, ix, trusttest.Record(t, with, alice, "f", []byte("one"), 5), trusttest.Record(t, with, alice, "g", []byte("two"), 5))

			ix = change(t, ix, path, without)
			hidden(t, ix, "f")
			if e := get(t, ix, "f"); e.Seq != 18 || e.Inode != 16 || e.Born != 16 {
				t.Errorf("withheld: %+v", e)
			}
			shows(t, ix, "g", "two")
			if e := get(t, ix, "g"); e.Seq != 17 || !e.Record.ProvedBy(without) {
				t.Errorf("unaffected: %+v", e)
			}
			if s, ok := ix.Stored(16); !ok || s.Size != 3 {
				t.Errorf("withheld version is not stored: %+v", s)
			}

			ix = change(t, ix, path, with)
			shows(t, ix, "f", "one")
			if e := get(t, ix, "f"); e.Seq != 19 || e.Inode != 19 || e.Born != 16 {
				t.Errorf("returned: %+v", e)
			}
			same(t, ix, path, with)
		})
	}
}

func TestI10WithheldDoesNotStandInTheWay(t *testing.T) {
	old := policy(t, may{"f": {alice}})
	both := policy(t, may{"f": {alice, bob}})
	ix := indextest.Open(t, old)
	apply(t, ix, trusttest.Record(t, old, alice, "f", []byte("hers"), 9))
	now := policy(t, may{"f": {bob}})
	if err := ix.SetPolicy(now); err != nil {
		t.Fatal(err)
	}
	apply(t, ix, trusttest.Record(t, now, bob, "f", []byte("his"), 5))
	shows(t, ix, "f", "his")
	if err := ix.SetPolicy(both); err != nil {
		t.Fatal(err)
	}
	shows(t, ix, "f", "hers") // the winner of all that is stored
	if err := ix.SetPolicy(now); err != nil {
		t.Fatal(err)
	}
	shows(t, ix, "f", "his") // the best that is left
	hiddenBy := policy(t, may{"g": {bob}})
	if err := ix.SetPolicy(hiddenBy); err != nil {
		t.Fatal(err)
	}
	hidden(t, ix, "f")
}

func TestI10Tombstone(t *testing.T) {
	with := policy(t, may{"f": {alice}})
	ix := indextest.Open(t, with)
	apply(t, ix, trusttest.Record(t, with, alice, "f", []byte("one"), 5), trusttest.Tombstone(t, with, alice, "f", 6))
	for _, p := range []*trust.Policy{policy(t, may{"g": {alice}}), with} {
		if err := ix.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		if e := get(t, ix, "f"); e.Shown || e.Record.IsZero() != (p != with) {
			t.Errorf("%+v", e)
		}
	}
}

func TestApplyProvesAgain(t *testing.T) {
	old := policy(t, may{"f": {alice}})
	ix := indextest.Open(t, old)
	r := trusttest.Record(t, old, alice, "f", []byte("one"), 5)
	now := policy(t, may{"f": {bob}})
	if err := ix.SetPolicy(now); err != nil {
		t.Fatal(err)
	}
	if ix.Policy() != now {
		t.Error("the policy is another one")
	}
	out, err := ix.Apply("", r)
	if err != nil {
		t.Fatal(err)
	}
	is(t, out[0].Err, trust.ErrUnknownKey)
	if len(ix.Entries()) > 0 {
		t.Errorf("%+v", ix.Entries())
	}
}

// A travelling policy has to bring its content, as only that shows that it makes sense.
func TestPolicyBringsItsContent(t *testing.T) {
	p := union(t, func(r *trust.Rules) { r.PolicySigners = []trust.PublicKey{alice.Public()} })
	ix := indextest.Open(t, p)
	apply(t, ix, published(t, p, alice, trust.Chain{}, saying(t, "f", 1), ""))
	r := published(t, p, alice, trust.Chain{}, saying(t, trust.PolicyName, 1), "")
	offered(t, ix, head(t, p, r), index.ErrNoContent)
	apply(t, ix, r)
	shows(t, ix, trust.PolicyName, "")
}
