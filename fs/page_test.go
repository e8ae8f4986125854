package fs

import (
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// TestI9OpenPages: who opens many large pages holds no memory beyond the bound, and can read them all the same.
func TestI9OpenPages(t *testing.T) {
	const size, handles = 8 << 20, 20
	text := make([]byte, size)
	f := &FS{pages: newPages([]Page{{Name: "p", Render: func() ([]byte, error) { return text, nil }}})}
	node := fuse.InHeader{NodeId: firstPage}
	var opened []uint64
	for range handles {
		var out fuse.OpenOut
		if err := f.openPage(&fuse.OpenIn{InHeader: node}, &out); err != nil {
			t.Fatal(err)
		}
		opened = append(opened, out.Fh)
	}
	if kept := len(f.pages.open); kept != maxPageBytes/size {
		t.Errorf("%d of %d are kept", kept, handles)
	}
	for _, handle := range opened {
		if n, err := f.readPage(&fuse.ReadIn{InHeader: node, Fh: handle, Offset: size - 10}, make([]byte, 100)); n != 10 || err != nil {
			t.Errorf("handle %d: read %d, %v", handle, n, err)
		}
		f.releasePage(handle)
	}
	if f.pages.bytes != 0 || len(f.pages.open) != 0 {
		t.Errorf("%d bytes are left", f.pages.bytes)
	}
}
