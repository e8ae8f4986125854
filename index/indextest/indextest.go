// Package indextest opens indexes for tests and proves that each is sound when its test ends. Only
// tests import it.
package indextest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"dmfs/index"
	"dmfs/trust"
)

// Open opens a new index, to be checked and closed when the test ends.
func Open(t testing.TB, p *trust.Policy, options ...index.Option) *index.Index {
	t.Helper()
	return OpenAt(t, filepath.Join(t.TempDir(), "index"), p, options...)
}

// OpenAt does the same with the index at path. One that the test closes itself is not checked.
func OpenAt(t testing.TB, path string, p *trust.Policy, options ...index.Option) *index.Index {
	t.Helper()
	ix, err := index.Open(path, p, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ix.Check(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
	return ix
}
