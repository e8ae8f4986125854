package index_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust/trusttest"

	"go.etcd.io/bbolt"
)

func TestOpenInUse(t *testing.T) {
	_, p := numbered(t, 1)
	path := filepath.Join(t.TempDir(), "index")
	ix := indextest.OpenAt(t, path, p)
	_, err := index.Open(path, p)
	is(t, err, index.ErrInUse)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	indextest.OpenAt(t, path, p)
}

func TestOpenMakesOnePrivateFile(t *testing.T) {
	_, p := numbered(t, 1)
	dir := t.TempDir()
	ix := indextest.OpenAt(t, filepath.Join(dir, "index"), p)
	if len(ix.Entries()) != 0 || ix.Seq() != 0 {
		t.Errorf("new index has %v, seq %d", ix.Entries(), ix.Seq())
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if info, err := files[0].Info(); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	_, err = index.Open(filepath.Join(dir, "none", "index"), p)
	is(t, err, fs.ErrNotExist)
}

func TestOpenFormat(t *testing.T) {
	_, p := numbered(t, 1)
	bolt := func(fn func(*bbolt.Tx) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(fn), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	with := func(content []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, write := range map[string]func(*testing.T, string){
		"text":        with([]byte("[files]\n")),
		"zeros":       with(make([]byte, 1<<16)),
		"noise":       with(bytes.Repeat([]byte("noise"), 1<<14)),
		"empty file":  with(nil),
		"other bbolt": bolt(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("key")); return err }),
		"no number": bolt(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("meta"))
			return err
		}),
		"later number": bolt(func(tx *bbolt.Tx) error {
			meta, err := tx.CreateBucket([]byte("meta"))
			if err != nil {
				return err
			}
			return meta.Put([]byte("format"), []byte{0, 0, 0, 0, 0, 0, 0, 2})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			write(t, path)
			_, err := index.Open(path, p)
			is(t, err, index.ErrFormat)
		})
	}
}

func TestClosed(t *testing.T) {
	names, p := numbered(t, 1)
	ix := indextest.Open(t, p)
	r := trusttest.Record(t, p, alice, names[0], []byte("one"), 1)
	apply(t, ix, r)
	if err := errors.Join(ix.Close(), ix.Close()); err != nil {
		t.Fatal(err)
	}
	_, applyErr := ix.Apply("", r)
	_, readErr := ix.Content(r.Digest())
	for call, err := range map[string]error{
		"apply": applyErr, "read": readErr, "set policy": ix.SetPolicy(p), "check": ix.Check(),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if _, ok := ix.Get(r.Name()); !ok {
		t.Error("the table is gone")
	}
}
