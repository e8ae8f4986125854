package index_test

import (
	"strings"
	"testing"

	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// Two contents of one version and signer: all nodes hold the same one, and say so.
func TestWarnings(t *testing.T) {
	p := policy(t, may{"f": {alice}, "g": {alice, bob}})
	x := trusttest.Record(t, p, alice, "f", []byte("x"), 5)
	y := trusttest.Record(t, p, alice, "f", []byte("y"), 5)
	for _, order := range [][]trust.Record{{x, y}, {y, x}} {
		ix := indextest.Open(t, p)
		apply(t, ix, trusttest.Record(t, p, alice, "g", []byte("x"), 5)) // not what this is about
		for _, r := range []trust.Record{
			trusttest.Record(t, p, bob, "g", []byte("y"), 5), trusttest.Record(t, p, alice, "g", []byte("y"), 6), order[0], order[0],
		} {
			if _, err := ix.Apply("", r); err != nil {
				t.Fatal(err)
			}
		}
		if got := ix.Warnings(); len(got) > 0 {
			t.Errorf("%+v", got)
		}
		for range 2 {
			if _, err := ix.Apply("", order[1]); err != nil {
				t.Fatal(err)
			}
		}
		if got := ix.Warnings(); len(got) != 1 || got[0].Name != x.Name() || !strings.Contains(got[0].Text, alice.Public().Key.String()) {
			t.Errorf("%+v", got)
		}
		if held := get(t, ix, "f").Record; trust.Compare(held, x) < 0 || trust.Compare(held, y) < 0 {
			t.Errorf("%v is held", held.Digest())
		}
	}
}
