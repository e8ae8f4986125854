package index_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// Two live certificates of one name: the later issued one wins, of equal ones that of the greater key.
func TestNamesakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ix := indextest.Open(t, union(t, nil))
		lesser, greater := alice, bob
		if a, b := alice.Public().Key, bob.Public().Key; bytes.Compare(a[:], b[:]) > 0 {
			lesser, greater = bob, alice
		}
		learn := func(s *trust.Signer, name string, validity time.Duration) {
			t.Helper()
			if err := ix.Learn(certificate(t, network, s, name, validity)); err != nil {
				t.Fatal(err)
			}
		}
		named := func(want *trust.Signer, name string) {
			t.Helper()
			if m, ok := ix.Named(name); !ok || m.Key != want.Public().Key {
				t.Errorf("%s is %+v, %v", name, m, ok)
			}
		}
		wins := func(winner, loser *trust.Signer) {
			t.Helper()
			want := fmt.Sprintf("key %s, issued at %%s, wins over that of key %s", winner.Public().Key, loser.Public().Key)
			from, to, _ := strings.Cut(want, "%s")
			w := ix.Warnings()
			if len(w) != 1 || !strings.Contains(w[0].Text, from) || !strings.Contains(w[0].Text, to) || !w[0].At.Equal(time.Now()) {
				t.Errorf("%+v", w)
			}
			if m := ix.Members(); m[0].Key != winner.Public().Key || m[1].Key != loser.Public().Key {
				t.Errorf("%+v", m)
			}
			named(winner, "ann")
			if m, ok := ix.Named("anne"); ok {
				t.Errorf("%+v", m)
			}
		}
		quiet := func() {
			t.Helper()
			if w := ix.Warnings(); len(w) > 0 {
				t.Errorf("%+v", w)
			}
		}
		learn(trusttest.Signer(3), "other", 24*time.Hour)
		learn(lesser, "ann", time.Hour)
		quiet()
		learn(greater, "ann", 2*time.Hour)
		wins(greater, lesser)
		pass(time.Minute)
		learn(lesser, "ann", time.Hour)
		wins(lesser, greater)
		pass(time.Hour)
		quiet()
		named(greater, "ann")
		learn(lesser, "ann", 3*time.Hour)
		learn(greater, "bert", 3*time.Hour)
		quiet()
	})
}
