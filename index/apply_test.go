package index_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestApply(t *testing.T) {
	p := policy(t, may{"f": {alice, bob}, "g": {alice}})
	record := func(name, content string, v trust.Version) trust.Record {
		return trusttest.Record(t, p, alice, name, []byte(content), v)
	}
	stone := func(v trust.Version) trust.Record { return trusttest.Tombstone(t, p, alice, "f", v) }
	// Of two contents the one with the greater digest.
	less, greater := "x", "y"
	if a, b := trust.DigestOf([]byte(less)), trust.DigestOf([]byte(greater)); bytes.Compare(a[:], b[:]) > 0 {
		less, greater = greater, less
	}
	low, high := alice, bob
	if a, b := alice.Public().Key, bob.Public().Key; bytes.Compare(a[:], b[:]) > 0 {
		low, high = bob, alice
	}
	signed := func(s *trust.Signer) trust.Record { return trusttest.Record(t, p, s, "f", []byte("x"), 5) }
	foreign := policy(t, may{"f": {bob}, "h": {alice}})

	type want struct {
		err      error
		version  trust.Version
		seq      uint64
		inode    uint64
		size     int64
		notShown bool
	}
	for _, test := range []struct {
		name   string
		before []trust.Record // applied before, each alone
		apply  []trust.Record // in one call; the last outcome counts
		want   want
	}{
		{"new", nil, []trust.Record{record("f", "one", 5)}, want{version: 5, seq: 16, inode: 16, size: 3}},
		{"new and empty", nil, []trust.Record{record("f", "", 5)}, want{version: 5, seq: 16, inode: 16}},
		{"newer", []trust.Record{record("f", "one", 5)}, []trust.Record{record("f", "second", 6)}, want{version: 6, seq: 17, inode: 17, size: 6}},
		{"same again", []trust.Record{record("f", "one", 5)}, []trust.Record{record("f", "one", 5)}, want{version: 5, seq: 16, inode: 16, size: 3}},
		{"same again as a head", []trust.Record{record("f", "one", 5)}, []trust.Record{head(t, p, record("f", "one", 5))}, want{version: 5, seq: 16, inode: 16, size: 3}},
		{"older", []trust.Record{record("f", "one", 5)}, []trust.Record{record("f", "two", 4)}, want{err: index.ErrOlder, version: 5, seq: 16, inode: 16, size: 3}},
		{"equal version, greater digest", []trust.Record{record("f", less, 5)}, []trust.Record{record("f", greater, 5)}, want{version: 5, seq: 17, inode: 17, size: 1}},
		{"equal version, lesser digest", []trust.Record{record("f", greater, 5)}, []trust.Record{record("f", less, 5)}, want{err: index.ErrOlder, version: 5, seq: 16, inode: 16, size: 1}},
		{"equal content, greater signer", []trust.Record{signed(low)}, []trust.Record{signed(high)}, want{version: 5, seq: 17, inode: 16, size: 1}},
		{"equal content, lesser signer", []trust.Record{signed(high)}, []trust.Record{signed(low)}, want{err: index.ErrOlder, version: 5, seq: 16, inode: 16, size: 1}},
		{"signed again", []trust.Record{record("f", "one", 5)}, []trust.Record{record("f", "one", 6)}, want{version: 6, seq: 17, inode: 16, size: 3}},
		{"tombstone", []trust.Record{record("f", "one", 5)}, []trust.Record{stone(6)}, want{version: 6, seq: 17, inode: 17, notShown: true}},
		{"tombstone of nothing", nil, []trust.Record{stone(6)}, want{version: 6, seq: 16, inode: 16, notShown: true}},
		{"older tombstone", []trust.Record{record("f", "one", 5)}, []trust.Record{stone(4)}, want{err: index.ErrOlder, version: 5, seq: 16, inode: 16, size: 3}},
		{"tombstone of an empty file", []trust.Record{record("f", "", 5)}, []trust.Record{stone(6)}, want{version: 6, seq: 17, inode: 17, notShown: true}},
		{"published again", []trust.Record{record("f", "one", 5), stone(6)}, []trust.Record{record("f", "one", 7)}, want{version: 7, seq: 18, inode: 18, size: 3}},
		{"name twice, rising", nil, []trust.Record{record("f", "one", 5), record("f", "two", 6)}, want{version: 6, seq: 17, inode: 17, size: 3}},
		{"name twice, falling", nil, []trust.Record{record("f", "two", 6), record("f", "one", 5)}, want{err: index.ErrOlder, version: 6, seq: 16, inode: 16, size: 3}},
		{"name twice, the same", nil, []trust.Record{record("f", "one", 5), record("f", "one", 5)}, want{version: 5, seq: 16, inode: 16, size: 3}},
		{"name five times", nil, []trust.Record{record("f", "1", 1), record("f", "2", 2), record("f", "3", 3), record("f", "4", 4), record("f", "5", 5)}, want{version: 5, seq: 20, inode: 20, size: 1}},
		{"head with content held elsewhere", []trust.Record{record("g", "one", 5)}, []trust.Record{head(t, p, record("f", "one", 5))}, want{version: 5, seq: 17, inode: 17, size: 3}},
		{"head with content in the same call", nil, []trust.Record{record("g", "one", 5), head(t, p, record("f", "one", 5))}, want{version: 5, seq: 17, inode: 17, size: 3}},
		{"head without content", []trust.Record{record("f", "one", 5)}, []trust.Record{head(t, p, record("f", "two", 6))}, want{err: index.ErrNoContent, version: 5, seq: 16, inode: 16, size: 3}},
		{"head of a tombstone", []trust.Record{record("f", "one", 5)}, []trust.Record{head(t, p, stone(6))}, want{version: 6, seq: 17, inode: 17, notShown: true}},
		{"proved by another policy, admitted", nil, []trust.Record{trusttest.Record(t, foreign, bob, "f", []byte("one"), 5)}, want{version: 5, seq: 16, inode: 16, size: 3}},
		{"proved by another policy, key not for the name", []trust.Record{record("g", "one", 5), record("f", "one", 5)}, []trust.Record{trusttest.Record(t, policy(t, may{"g": {bob}}), bob, "g", []byte("two"), 6), trusttest.Record(t, foreign, alice, "h", nil, 6)}, want{err: trust.ErrNotAllowed, version: 5, seq: 17, inode: 17, size: 3}},
		{"I1: the zero record", []trust.Record{record("f", "one", 5)}, []trust.Record{{}}, want{err: trust.ErrMalformed, version: 5, seq: 16, inode: 16, size: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "index")
			ix := indextest.OpenAt(t, path, p)
			for _, r := range test.before {
				apply(t, ix, r)
			}
			outcomes, err := ix.Apply("peer", test.apply...)
			if err != nil {
				t.Fatal(err)
			}
			last := outcomes[len(outcomes)-1]
			is(t, last.Err, test.want.err)

			e := get(t, ix, "f")
			if last.Err == nil && last.Seq != e.Seq {
				t.Errorf("outcome names change %d, held is %d", last.Seq, e.Seq)
			}
			got := want{last.Err, e.Record.Version(), e.Seq, e.Inode, e.Size, !e.Shown}
			test.want.err = last.Err
			if got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if e.Shown {
				content, err := ix.Content(e.Record.Digest())
				if err != nil || int64(len(content)) != e.Size {
					t.Errorf("content %q, %v", content, err)
				}
			}
			same(t, ix, path, p)
		})
	}
}

// same closes the index, opens it again, and wants to see the same.
func same(t *testing.T, ix *index.Index, path string, p *trust.Policy) {
	t.Helper()
	if err := errors.Join(ix.Check(), ix.Close()); err != nil {
		t.Fatal(err)
	}
	again := indextest.OpenAt(t, path, p)
	before, after := ix.Entries(), again.Entries()
	if len(before) != len(after) || ix.Seq() != again.Seq() {
		t.Fatalf("%d entries, seq %d; after opening again %d, %d", len(before), ix.Seq(), len(after), again.Seq())
	}
	for i, a := range before {
		b := after[i]
		if a.Record.IsZero() != b.Record.IsZero() || trust.Compare(a.Record, b.Record) != 0 || !a.Since.Equal(b.Since) {
			t.Errorf("%s: %+v became %+v", a.Name, a, b)
		}
		a.Record, b.Record, a.Since, b.Since = trust.Record{}, trust.Record{}, time.Time{}, time.Time{}
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%+v became %+v", a, b)
		}
	}
	if fmt.Sprint(ix.Dirs()) != fmt.Sprint(again.Dirs()) {
		t.Errorf("directories %v became %v", ix.Dirs(), again.Dirs())
	}
}

func TestBornIsForEver(t *testing.T) {
	p := policy(t, may{"f": {alice}, "g": {alice}})
	ix := indextest.Open(t, p)
	apply(t, ix, trusttest.Record(t, p, alice, "g", nil, 1))
	for v := trust.Version(1); v < 12; v += 2 {
		apply(t, ix, trusttest.Record(t, p, alice, "f", []byte{byte(v)}, v))
		apply(t, ix, trusttest.Tombstone(t, p, alice, "f", v+1))
		if e := get(t, ix, "f"); e.Born != 17 {
			t.Fatalf("born %d", e.Born)
		}
	}
}

func TestI2OnlyApplyWrites(t *testing.T) {
	p := policy(t, may{"d/f": {alice}, "g": {alice}})
	path := filepath.Join(t.TempDir(), "index")
	ix := indextest.OpenAt(t, path, p)
	r := trusttest.Record(t, p, alice, "d/f", []byte("one"), 5)
	seq := apply(t, ix, r)[0].Seq
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(){
		"apply the same":      func() { apply(t, ix, r) },
		"apply an older one":  func() { _, _ = ix.Apply("", trusttest.Record(t, p, alice, "d/f", nil, 4)) },
		"apply a bare head":   func() { _, _ = ix.Apply("", head(t, p, trusttest.Record(t, p, alice, "g", []byte("g"), 4))) },
		"apply nothing":       func() { _, _ = ix.Apply("") },
		"pin and unpin":       func() { ix.Pin(seq); ix.Unpin(seq) },
		"set an equal policy": func() { _ = ix.SetPolicy(policy(t, may{"d/f": {alice}, "g": {alice}})) },
		"check":               func() { _ = ix.Check() },
		"refuse":              func() { ix.Refuse(index.Refused{Name: "g"}) },
		"read":                func() { ix.Get(r.Name()); ix.Entries(); ix.Dirs(); _, _ = ix.Content(r.Digest()) },
	} {
		t.Run(name, func(t *testing.T) {
			call()
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("the file was written to")
			}
		})
	}
	if ix.Seq() != seq {
		t.Errorf("seq went from %d to %d", seq, ix.Seq())
	}
}

func TestApplyFromManyAtOnce(t *testing.T) {
	names, p := numbered(t, 8)
	ix := indextest.Open(t, p)
	const versions = 20
	var writers sync.WaitGroup
	for _, name := range names {
		for half := range 2 {
			var recs []trust.Record
			for v := half; v < versions; v += 2 {
				recs = append(recs, trusttest.Record(t, p, alice, name, fmt.Appendf(nil, "%s %d", name, v), trust.Version(v+1)))
			}
			writers.Go(func() {
				for _, r := range recs {
					out, err := ix.Apply("", r)
					if err != nil || out[0].Err != nil && !errors.Is(out[0].Err, index.ErrOlder) {
						t.Error(err, out)
					}
					if e, _ := ix.Get(r.Name()); e.Record.Version() < r.Version() {
						t.Errorf("%s: told of %d, held is %d", r.Name(), r.Version(), e.Record.Version())
					}
				}
			})
		}
	}
	writers.Wait()
	for _, name := range names {
		shows(t, ix, name, fmt.Sprintf("%s %d", name, versions-1))
	}
}
