package index_test

import (
	"bytes"
	"errors"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestContents(t *testing.T) {
	names, p := numbered(t, 7)
	ix := indextest.Open(t, p)
	for i, size := range []int{0, 1, 4096, 4097, 1 << 20, trust.MaxContent} {
		content := bytes.Repeat([]byte{byte(i + 1)}, size)
		r := trusttest.Record(t, p, alice, names[i], content, 1)
		apply(t, ix, r)
		for _, read := range []struct{ off, length, n int }{
			{0, size, size}, {0, size + 1, size}, {size / 2, size, size - size/2}, {size, 1, 0}, {size + 1, 1, 0}, {size, 0, 0},
		} {
			buf := make([]byte, read.length)
			n, err := ix.ReadAt(r.Digest(), buf, int64(read.off))
			if n != read.n || (err == nil) != (n == read.length) || !bytes.Equal(buf[:n], content[min(read.off, size):][:n]) {
				t.Errorf("size %d: ReadAt(%d bytes, %d) = %d, %v", size, read.length, read.off, n, err)
			}
		}
		got, err := ix.Content(r.Digest())
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("size %d: content of %d bytes, %v", size, len(got), err)
		}
	}
	absent := trust.DigestOf([]byte("absent"))
	_, err := ix.ReadAt(absent, make([]byte, 1), 0)
	is(t, err, index.ErrNoContent)
	_, err = ix.Content(absent)
	is(t, err, index.ErrNoContent)
	if _, err := ix.ReadAt(absent, nil, -1); err == nil || errors.Is(err, index.ErrNoContent) {
		t.Errorf("negative offset: %v", err)
	}
}
