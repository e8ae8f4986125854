package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// now is the version of this moment.
func now() trust.Version { return trust.VersionAt(time.Now()) }

// offered offers one record, and wants this outcome.
func offered(t testing.TB, ix *index.Index, r trust.Record, want error) {
	t.Helper()
	out, err := ix.Apply("peer", r)
	if err != nil {
		t.Fatal(err)
	}
	is(t, out[0].Err, want)
}

// restarted closes an index and opens it again.
func restarted(t testing.TB, ix *index.Index, path string, p *trust.Policy, options ...index.Option) *index.Index {
	t.Helper()
	if err := errors.Join(ix.Check(), ix.Close()); err != nil {
		t.Fatal(err)
	}
	return indextest.OpenAt(t, path, p, options...)
}

func TestLifetimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}, "g": {alice}})
		path := filepath.Join(t.TempDir(), "index")
		ix := indextest.OpenAt(t, path, p)
		v := now()
		before := trusttest.Record(t, p, alice, "f", []byte("before"), v-1)
		brief := mortal(t, p, "f", "brief", v, time.Hour)
		apply(t, ix, before, brief, mortal(t, p, "g", "long", v, 2*time.Hour))
		changes := count(t, ix)

		pass(time.Hour - 1)
		shows(t, ix, "f", "brief")
		pass(1)
		hidden(t, ix, "f")
		shows(t, ix, "g", "long")
		if e := get(t, ix, "f"); e.Seq != 19 || e.Inode != 17 || e.Born != 16 {
			t.Errorf("%+v", e)
		}
		pass(24 * time.Hour)
		hidden(t, ix, "g")
		if got := fmt.Sprint(changes()); got != "map[f:2 g:2]" {
			t.Errorf("a follower saw %s", got)
		}

		offered(t, ix, brief, trust.ErrExpired)
		offered(t, ix, before, index.ErrOlder)
		ix = restarted(t, ix, path, p)
		hidden(t, ix, "f")
		offered(t, ix, brief, trust.ErrExpired)
		apply(t, ix, trusttest.Record(t, p, alice, "f", []byte("after"), v+1))
		shows(t, ix, "f", "after")
		same(t, ix, path, p)
	})
}

// count follows an index and counts each name's changes. What was there already counts as one.
func count(t testing.TB, ix *index.Index) (changes func() map[string]int) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	seen := map[string]int{}
	go func() {
		ended <- ix.Follow(ctx, 0, func(_ context.Context, entries []index.Entry) error {
			for _, e := range entries {
				seen[e.Name.String()]++
			}
			return nil
		})
	}()
	synctest.Wait()
	return func() map[string]int {
		synctest.Wait()
		cancel()
		<-ended
		return seen
	}
}

func TestLifetimeEndedWhileNobodyLooked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		path := filepath.Join(t.TempDir(), "index")
		ix := indextest.OpenAt(t, path, p)
		apply(t, ix, trusttest.Record(t, p, alice, "f", []byte("before"), now()-1), mortal(t, p, "f", "brief", now(), time.Minute))
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		ix = indextest.OpenAt(t, path, p)
		hidden(t, ix, "f")
		if e := get(t, ix, "f"); e.Seq != 18 {
			t.Errorf("%+v", e)
		}
		same(t, ix, path, p)
	})
}

// A deletion wins for ever: against a node that was away for a year and against an old copy of the file.
func TestTombstoneForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		dir := t.TempDir()
		path, old := filepath.Join(dir, "index"), filepath.Join(dir, "backup")
		ix := indextest.OpenAt(t, path, p)
		r := trusttest.Record(t, p, alice, "f", []byte("one"), now())
		apply(t, ix, r)
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		backup, err := os.ReadFile(path)
		if err := errors.Join(err, os.WriteFile(old, backup, 0o600)); err != nil {
			t.Fatal(err)
		}
		ix = indextest.OpenAt(t, path, p)
		stone := trusttest.Tombstone(t, p, alice, "f", now()+1)
		apply(t, ix, stone)

		pass(365 * 24 * time.Hour)
		offered(t, ix, r, index.ErrOlder)
		offered(t, ix, head(t, p, r), index.ErrOlder)
		ix = restarted(t, ix, path, p)
		offered(t, ix, r, index.ErrOlder)
		if e := get(t, ix, "f"); e.Shown || !e.Record.Deleted() {
			t.Errorf("%+v", e)
		}

		restored := indextest.OpenAt(t, old, p)
		shows(t, restored, "f", "one")
		apply(t, restored, head(t, p, get(t, ix, "f").Record))
		offered(t, ix, r, index.ErrOlder)
		for _, each := range []*index.Index{ix, restored} {
			if e := get(t, each, "f"); e.Shown || trust.Compare(e.Record, stone) != 0 {
				t.Errorf("%+v", e)
			}
		}
		apply(t, ix, trusttest.Record(t, p, alice, "f", []byte("new"), now()))
		shows(t, ix, "f", "new")
	})
}

// What a full disk cannot note is noted when there is room.
func TestLifetimeEndsOnFullDisk(t *testing.T) {
	dir := tinyDisk(t)
	synctest.Test(t, func(t *testing.T) {
		names, p := numbered(t, 400)
		ix := indextest.OpenAt(t, filepath.Join(dir, "index"), p)
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		v, n := now(), 0
		for full := error(nil); full == nil; n++ {
			_, full = ix.Apply("", mortal(t, p, names[n], string(sized(n, 4000)), v, time.Minute))
		}
		pass(time.Minute)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		for _, e := range ix.Entries() {
			hidden(t, ix, e.Name.String())
		}
	})
}
