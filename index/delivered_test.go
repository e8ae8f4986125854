package index_test

import (
	"path/filepath"
	"testing"

	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestDelivered: the note outlives the process, and tells what was shown.
func TestDelivered(t *testing.T) {
	s := trusttest.Signer(1)
	p := trusttest.Policy(t, s, "a", "b")
	path := filepath.Join(t.TempDir(), "index.db")
	ix, err := index.Open(path, p)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(name, content string, version int64) uint64 {
		t.Helper()
		out, err := ix.Apply("peer", trusttest.Record(t, p, s, name, []byte(content), trust.Version(version)))
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
		return out[0].Seq
	}
	apply("a", "one", 1)
	seq := apply("a", "two", 2)
	ix.Delivered(seq)
	apply("a", "three", 3)
	apply("b", "new", 1)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if ix, err = index.Open(path, p); err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	if got := ix.LastDelivered(); got != seq {
		t.Errorf("delivered %d, want %d", got, seq)
	}
	if e, ok := ix.ShownAt(trusttest.Name(t, "a"), seq); !ok || e.Seq != seq || e.Record.Version() != 2 {
		t.Errorf("shown of a: %v %+v", ok, e)
	}
	if e, ok := ix.ShownAt(trusttest.Name(t, "b"), seq); ok {
		t.Errorf("shown of b: %+v", e)
	}
}
