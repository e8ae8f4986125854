package index_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// history is the versions of f and their contents, the newest first.
func history(t testing.TB, ix *index.Index) string {
	t.Helper()
	var text string
	for _, s := range ix.History(trusttest.Name(t, "f")) {
		content, err := ix.Content(s.Digest)
		if at, ok := ix.Stored(s.Seq); err != nil || !ok || at.Version != s.Version || at.Digest != s.Digest {
			t.Errorf("%+v: %v", s, err)
		}
		text += fmt.Sprintf("%d%s ", s.Version, content)
	}
	return text
}

func TestHistory(t *testing.T) {
	p := policy(t, may{"f": {alice}})
	for _, test := range []struct {
		name     string
		keep     int
		contents []string
		want     string
	}{
		{"nothing", 3, nil, ""},
		{"one", 3, []string{"a"}, "1a "},
		{"default", 0, []string{"a", "b", "c", "d", "e"}, "5e 4d 3c "},
		{"ten", 10, []string{"a", "b", "c", "d", "e"}, "5e 4d 3c 2b 1a "},
		{"the held one only", 1, []string{"a", "b", "c"}, "3c "},
		{"the same content again", 3, []string{"a", "a", "b", "a", "a"}, "5a 4a 3b "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ix := indextest.Open(t, p)
			if test.keep > 0 {
				ix.SetHistory(test.keep)
			}
			steps(t, ix, p, test.contents...)
			if got := history(t, ix); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestHistoryIsOfVersions(t *testing.T) {
	p, other := policy(t, may{"f": {alice, bob}}), policy(t, may{"g": {alice}})
	ix := indextest.Open(t, p)
	steps(t, ix, p, "a", "b", "c")
	for range 4 { // each makes two changes, and no version
		for _, p := range []*trust.Policy{other, p} {
			if err := ix.SetPolicy(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := history(t, ix); got != "3c 2b 1a " {
		t.Errorf("history %q", got)
	}
	apply(t, ix, trusttest.Record(t, p, bob, "f", []byte("d"), 4), trusttest.Tombstone(t, p, alice, "f", 5))
	if got := history(t, ix); got != "4d 3c " {
		t.Errorf("after a tombstone %q", got)
	}
	if err := ix.SetPolicy(policy(t, may{"f": {alice}})); err != nil {
		t.Fatal(err)
	}
	if got := history(t, ix); got != "3c " { // I10: bob's is not admitted any more
		t.Errorf("without bob %q", got)
	}
}

func TestHistoryOfWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		ix := indextest.Open(t, p)
		apply(t, ix, trusttest.Record(t, p, alice, "f", []byte("a"), 1), mortal(t, p, "f", "b", now(), time.Hour))
		pass(time.Hour)
		if got, want := history(t, ix), fmt.Sprintf("%db 1a ", now()-trust.Version(time.Hour)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// The history that is kept is not known before Open has returned: it must not drop any.
func TestHistorySurvivesOpen(t *testing.T) {
	p := policy(t, may{"f": {alice}})
	path := t.TempDir() + "/index"
	ix := indextest.OpenAt(t, path, p)
	ix.SetHistory(10)
	steps(t, ix, p, "a", "b", "c", "d", "e")
	for _, p := range []*trust.Policy{policy(t, may{"g": {alice}}), p} {
		ix = restarted(t, ix, path, p)
		ix.SetHistory(10)
	}
	if got := history(t, ix); got != "5e 4d 3c 2b 1a " {
		t.Error(got)
	}
}
