package index_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

var errEnough = errors.New("enough")

// follower is a copy of the index that only Follow maintains.
type follower struct {
	after uint64
	seen  map[trust.Name]trust.Version
	calls int
}

// take checks and keeps what Follow gives.
func (f *follower) take(t testing.TB, entries []index.Entry) {
	f.calls++
	if len(entries) == 0 || len(entries) > 256 {
		t.Errorf("%d entries at once", len(entries))
	}
	for _, e := range entries {
		if e.Seq <= f.after {
			t.Errorf("seq %d after %d", e.Seq, f.after)
		}
		f.after = e.Seq
		f.seen[e.Name] = e.Record.Version()
	}
}

// until follows up to seq.
func (f *follower) until(t testing.TB, ix *index.Index, seq uint64) {
	t.Helper()
	if f.after >= seq {
		return
	}
	err := ix.Follow(t.Context(), f.after, func(_ context.Context, entries []index.Entry) error {
		if f.take(t, entries); f.after >= seq {
			return errEnough
		}
		return nil
	})
	is(t, err, errEnough)
}

// versions is what a complete follower has seen.
func versions(ix *index.Index) map[trust.Name]trust.Version {
	all := map[trust.Name]trust.Version{}
	for _, e := range ix.Entries() {
		all[e.Name] = e.Record.Version()
	}
	return all
}

func TestI5FollowersResume(t *testing.T) {
	names, p := numbered(t, 20)
	ix := indextest.Open(t, p)
	const last = 30
	var writers, readers sync.WaitGroup
	for w := range 4 {
		var recs []trust.Record
		for v := 1 + w; v <= last; v += 4 {
			for _, name := range names {
				recs = append(recs, trusttest.Record(t, p, alice, name, nil, trust.Version(v)))
			}
		}
		writers.Go(func() {
			for len(recs) > 0 {
				n := min(len(recs), 7)
				if _, err := ix.Apply("", recs[:n]...); err != nil {
					t.Error(err)
				}
				recs = recs[n:]
			}
		})
	}
	complete := func(f *follower) bool {
		for _, v := range f.seen {
			if v != last {
				return false
			}
		}
		return len(f.seen) == len(names)
	}
	for range 3 {
		readers.Go(func() {
			f := &follower{seen: map[trust.Name]trust.Version{}}
			for !complete(f) { // fails now and then, in the middle of what it got, and resumes
				err := ix.Follow(t.Context(), f.after, func(_ context.Context, entries []index.Entry) error {
					whole := rand.IntN(3) > 0
					if !whole {
						entries = entries[:rand.IntN(len(entries))+1]
					}
					if f.take(t, entries); !whole || complete(f) {
						return errEnough
					}
					return nil
				})
				if !errors.Is(err, errEnough) {
					t.Error(err)
					return
				}
			}
			if !maps.Equal(f.seen, versions(ix)) {
				t.Errorf("seen %v", f.seen)
			}
		})
	}
	writers.Wait()
	readers.Wait()
}

func TestI5SlowFollower(t *testing.T) {
	names, p := numbered(t, 600)
	ix := indextest.Open(t, p)
	apply(t, ix, trusttest.Record(t, p, alice, names[0], nil, 1))
	f := &follower{seen: map[trust.Name]trust.Version{}}
	err := ix.Follow(t.Context(), 0, func(_ context.Context, entries []index.Entry) error {
		f.take(t, entries)
		if f.calls > 1 {
			if f.after == ix.Seq() {
				return errEnough
			}
			return nil
		}
		// The follower is still busy with the first change while these happen.
		for v := range 4 {
			var recs []trust.Record
			for _, name := range names {
				recs = append(recs, trusttest.Record(t, p, alice, name, nil, trust.Version(v+2)))
			}
			apply(t, ix, recs...)
		}
		return nil
	})
	is(t, err, errEnough)
	if f.calls != 4 { // the first one, then 256, 256 and 88 names, once each
		t.Errorf("%d calls", f.calls)
	}
	if !maps.Equal(f.seen, versions(ix)) {
		t.Errorf("seen %v", f.seen)
	}
}

func TestI5FollowAcrossRestart(t *testing.T) {
	names, p := numbered(t, 10)
	path := filepath.Join(t.TempDir(), "index")
	ix := indextest.OpenAt(t, path, p)
	f := &follower{seen: map[trust.Name]trust.Version{}}
	for i, name := range names {
		apply(t, ix, trusttest.Record(t, p, alice, name, nil, trust.Version(i+1)))
	}
	f.after = 20 // it took care of the first five
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	ix = indextest.OpenAt(t, path, p)
	apply(t, ix, trusttest.Record(t, p, alice, names[0], nil, 99))
	f.until(t, ix, ix.Seq())
	want := versions(ix)
	for _, name := range names[1:5] {
		delete(want, trusttest.Name(t, name))
	}
	if !maps.Equal(f.seen, want) {
		t.Errorf("seen %v, want %v", f.seen, want)
	}
}

func TestFollowEnds(t *testing.T) {
	names, p := numbered(t, 1)
	t.Run("context", func(t *testing.T) {
		ix := indextest.Open(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		apply(t, ix, trusttest.Record(t, p, alice, names[0], nil, 1))
		is(t, ix.Follow(ctx, 0, func(context.Context, []index.Entry) error { cancel(); return nil }), context.Canceled)
	})
	t.Run("close", func(t *testing.T) {
		ix := indextest.Open(t, p)
		apply(t, ix, trusttest.Record(t, p, alice, names[0], nil, 1))
		ended, began := make(chan error), make(chan struct{})
		go func() {
			ended <- ix.Follow(t.Context(), 0, func(context.Context, []index.Entry) error { close(began); return nil })
		}()
		<-began
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		is(t, <-ended, os.ErrClosed)
	})
}

func TestFollowSeesPolicyChanges(t *testing.T) {
	p := policy(t, may{"f": {alice}, "g": {alice}})
	ix := indextest.Open(t, p)
	apply(t, ix, trusttest.Record(t, p, alice, "f", nil, 1), trusttest.Record(t, p, alice, "g", nil, 1))
	f := &follower{seen: map[trust.Name]trust.Version{}}
	f.until(t, ix, 17)
	if err := ix.SetPolicy(policy(t, may{"g": {alice}})); err != nil {
		t.Fatal(err)
	}
	f.until(t, ix, 18)
	if want := map[trust.Name]trust.Version{trusttest.Name(t, "f"): 0, trusttest.Name(t, "g"): 1}; fmt.Sprint(f.seen) != fmt.Sprint(want) {
		t.Errorf("seen %v, want %v", f.seen, want)
	}
}
