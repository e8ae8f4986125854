package index_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// steps applies versions 1, 2, … of f, one change each, and returns their records. A content may
// come again.
func steps(t testing.TB, ix *index.Index, p *trust.Policy, contents ...string) []trust.Record {
	t.Helper()
	var recs []trust.Record
	for _, content := range contents {
		v := get0(ix).Version() + 1
		recs = append(recs, trusttest.Record(t, p, alice, "f", []byte(content), v))
		apply(t, ix, recs[len(recs)-1])
	}
	return recs
}

// get0 is the record held for the only name, or the zero Record.
func get0(ix *index.Index) trust.Record {
	for _, e := range ix.Entries() {
		return e.Record
	}
	return trust.Record{}
}

// stored fails unless exactly these changes from 16 on are stored, with their contents.
func stored(t testing.TB, ix *index.Index, want ...uint64) {
	t.Helper()
	var got []uint64
	for seq := uint64(16); seq <= ix.Seq(); seq++ {
		s, ok := ix.Stored(seq)
		if !ok {
			continue
		}
		got = append(got, seq)
		if content, err := ix.Content(s.Digest); err != nil || int64(len(content)) != s.Size {
			t.Errorf("content of %d: %d bytes, %v", seq, len(content), err)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("stored %v, want %v", got, want)
	}
	if err := ix.Check(); err != nil {
		t.Fatal(err)
	}
}

// settled waits until all that was unpinned is dropped: whatever comes later takes it along.
func settled(t testing.TB, ix *index.Index) {
	t.Helper()
	if _, err := ix.Apply(""); err != nil {
		t.Fatal(err)
	}
}

func TestRetention(t *testing.T) {
	p := policy(t, may{"f": {alice}})
	t.Run("two superseded ones stay", func(t *testing.T) {
		ix := indextest.Open(t, p)
		recs := steps(t, ix, p, "a", "b", "c", "d")
		stored(t, ix, 17, 18, 19)
		_, err := ix.Content(recs[0].Digest())
		is(t, err, index.ErrNoContent)
	})
	t.Run("all in one call", func(t *testing.T) {
		ix := indextest.Open(t, p)
		var recs []trust.Record
		for v := range 6 {
			recs = append(recs, trusttest.Record(t, p, alice, "f", fmt.Append(nil, v), trust.Version(v+1)))
		}
		apply(t, ix, recs...)
		stored(t, ix, 19, 20, 21)
		_, err := ix.Content(recs[0].Digest())
		is(t, err, index.ErrNoContent)
	})
	t.Run("the inode of what is held stays", func(t *testing.T) {
		ix := indextest.Open(t, p)
		steps(t, ix, p, "a", "a", "a", "a", "a")
		stored(t, ix, 16, 18, 19, 20)
		if s, _ := ix.Stored(get(t, ix, "f").Inode); s.Version != 1 || s.Inode != 16 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a content used twice stays", func(t *testing.T) {
		ix := indextest.Open(t, p)
		recs := steps(t, ix, p, "a", "b", "c", "a")
		stored(t, ix, 17, 18, 19)
		shows(t, ix, "f", "a")
		steps(t, ix, p, "d", "e", "f")
		_, err := ix.Content(recs[0].Digest())
		is(t, err, index.ErrNoContent)
	})
	t.Run("a tombstone supersedes too", func(t *testing.T) {
		ix := indextest.Open(t, p)
		steps(t, ix, p, "a", "b", "c")
		apply(t, ix, trusttest.Tombstone(t, p, alice, "f", 9))
		stored(t, ix, 17, 18, 19)
	})
	t.Run("10 MiB", func(t *testing.T) {
		ix := indextest.Open(t, p)
		var contents []string
		for i := range 5 {
			contents = append(contents, string(sized(i, trust.MaxContent)))
		}
		steps(t, ix, p, contents...)
		stored(t, ix, 18, 19, 20)
	})
}

func TestPin(t *testing.T) {
	p := policy(t, may{"f": {alice}})
	t.Run("superseded", func(t *testing.T) {
		ix := indextest.Open(t, p)
		steps(t, ix, p, "a")
		for range 2 {
			if s, ok := ix.Pin(16); !ok || s.Version != 1 {
				t.Fatalf("%+v %v", s, ok)
			}
		}
		steps(t, ix, p, "b", "c", "d", "e")
		stored(t, ix, 16, 18, 19, 20)
		ix.Unpin(16)
		settled(t, ix)
		stored(t, ix, 16, 18, 19, 20)
		ix.Unpin(16)
		settled(t, ix)
		stored(t, ix, 18, 19, 20)
		if _, ok := ix.Pin(16); ok {
			t.Error("what was dropped can be pinned")
		}
	})
	t.Run("with its inode", func(t *testing.T) {
		ix := indextest.Open(t, p)
		steps(t, ix, p, "a", "a")
		ix.Pin(17)
		steps(t, ix, p, "b", "c", "d")
		stored(t, ix, 16, 17, 18, 19, 20)
		ix.Unpin(17)
		settled(t, ix)
		stored(t, ix, 18, 19, 20)
	})
	t.Run("held and recent ones stay when unpinned", func(t *testing.T) {
		ix := indextest.Open(t, p)
		steps(t, ix, p, "a", "b", "c")
		for seq := range uint64(3) {
			ix.Pin(16 + seq)
			ix.Unpin(16 + seq)
		}
		settled(t, ix)
		stored(t, ix, 16, 17, 18)
	})
	t.Run("pins end with the process, what they kept goes with the next change", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "index")
		ix := indextest.OpenAt(t, path, p)
		steps(t, ix, p, "a")
		ix.Pin(16)
		steps(t, ix, p, "b", "c", "d")
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		ix = indextest.OpenAt(t, path, p)
		stored(t, ix, 16, 17, 18, 19)
		steps(t, ix, p, "e")
		stored(t, ix, 18, 19, 20)
	})
	t.Run("unpin without pin", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		indextest.Open(t, p).Unpin(16)
	})
}

// What Pin returned can be read whole until Unpin, whatever happens meanwhile.
func TestPinDuringApply(t *testing.T) {
	p := policy(t, may{"f": {alice}})
	ix := indextest.Open(t, p)
	steps(t, ix, p, "0")
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for pinned := 0; ; {
				select {
				case <-done:
					return
				default:
				}
				seq := ix.Seq() - uint64(pinned%5)
				s, ok := ix.Pin(seq)
				if !ok {
					pinned++
					continue
				}
				pinned++
				if _, err := ix.Content(s.Digest); err != nil {
					t.Errorf("pinned %d: %v", seq, err)
				}
				ix.Unpin(seq)
			}
		})
	}
	for i := range 100 {
		steps(t, ix, p, fmt.Sprint(i+1))
	}
	close(done)
	readers.Wait()
	settled(t, ix)
	stored(t, ix, 114, 115, 116)
	if errors.Is(ix.Check(), index.ErrCorrupt) {
		t.Error("corrupt")
	}
}
