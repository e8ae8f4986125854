package index_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestDirs(t *testing.T) {
	first := policy(t, may{"a/b/c": {alice}, "a/d": {alice}, "e": {alice}})
	path := filepath.Join(t.TempDir(), "index")
	ix := indextest.OpenAt(t, path, first)
	want := func(dirs map[string]uint64) {
		t.Helper()
		if got := ix.Dirs(); fmt.Sprint(got) != fmt.Sprint(dirs) {
			t.Fatalf("directories %v, want %v", got, dirs)
		}
	}
	want(map[string]uint64{"a": 16, "a/b": 17})
	apply(t, ix, trusttest.Record(t, first, alice, "a/d", nil, 1))
	second := policy(t, may{"f/g": {alice}})
	if err := ix.SetPolicy(second); err != nil {
		t.Fatal(err)
	}
	want(map[string]uint64{"a": 16, "f": 19}) // a of the held name a/d, which is withheld at 20
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	ix = indextest.OpenAt(t, path, first)
	want(map[string]uint64{"a": 16, "a/b": 17})
	if e := get(t, ix, "a/d"); e.Seq != 21 || e.Born != 18 {
		t.Errorf("%+v", e)
	}
}

// The links to members are in each namespace of the policy, for ever under the same number.
func TestDirsOfLinks(t *testing.T) {
	with, without := union(t, nil), union(t, func(r *trust.Rules) { r.Namespaces = []string{"ns"} })
	path := filepath.Join(t.TempDir(), "index")
	ix := indextest.OpenAt(t, path, without)
	want := func(dirs map[string]uint64) {
		t.Helper()
		if got := ix.Dirs(); fmt.Sprint(got) != fmt.Sprint(dirs) {
			t.Fatalf("directories %v, want %v", got, dirs)
		}
	}
	want(map[string]uint64{"ns": 16, "ns/by-name": 17})
	all := map[string]uint64{"ns": 16, "ns/by-name": 17, "deep": 18, "deep/ns": 19, "deep/ns/by-name": 20}
	for range 2 {
		if err := ix.SetPolicy(with); err != nil {
			t.Fatal(err)
		}
		want(all)
		if err := ix.SetPolicy(without); err != nil {
			t.Fatal(err)
		}
		want(map[string]uint64{"ns": 16, "ns/by-name": 17})
	}
	ix = restarted(t, ix, path, with)
	want(all)
	if ix.Seq() != 0 {
		t.Error("a directory is a change")
	}
}
