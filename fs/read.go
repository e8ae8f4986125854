package fs

import (
	"io"
	"math/rand/v2"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// readFlags let the kernel keep a version's pages for ever and skip FLUSH.
const readFlags = fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH

// newEpoch numbers the handles of this process. A handle opened under an
// earlier process on the same mount holds no pin here.
func newEpoch() uint64 { return rand.Uint64() | 1<<63 }

func writes(flags uint32) bool {
	return flags&syscall.O_ACCMODE != syscall.O_RDONLY || flags&syscall.O_TRUNC != 0
}

func (f *FS) open(in *fuse.OpenIn, out *fuse.OpenOut) error {
	kind, number, ok := split(in.NodeId)
	switch {
	case !ok:
		return f.openPage(in, out)
	case kind == draftKind:
		return f.openDraft(in, out)
	case kind == dirKind || kind == historyKind:
		return syscall.EISDIR
	case reserved(in.NodeId) && writes(in.Flags):
		return syscall.EACCES
	case writes(in.Flags):
		return f.redirect(in.Pid, in.Uid, in.NodeId, in.Flags&syscall.O_TRUNC != 0)
	}
	if _, ok := f.index.Pin(number); !ok {
		return syscall.ESTALE
	}
	out.Fh, out.OpenFlags = f.epoch, readFlags
	return nil
}

// read fills buf from a version, a page, or a draft that nobody has written to
// yet. It returns the bytes read.
func (f *FS) read(in *fuse.ReadIn, buf []byte) (int, error) {
	kind, number, ok := split(in.NodeId)
	switch {
	case !ok:
		return f.readPage(in, buf)
	case kind == draftKind:
		return f.readDraft(in.NodeId, in.Offset, buf)
	}
	v, ok := f.index.Stored(number)
	if !ok {
		return 0, syscall.ESTALE
	}
	if kind.isSignature() {
		return copyAt(buf, v.Signature, in.Offset), nil
	}
	n, err := f.index.ReadAt(v.Digest, buf, int64(in.Offset))
	if err == io.EOF {
		err = nil
	}
	return n, err
}

func copyAt(dst, src []byte, offset uint64) int {
	if offset >= uint64(len(src)) {
		return 0
	}
	return copy(dst, src[offset:])
}

func (f *FS) release(in *fuse.ReleaseIn) {
	kind, number, ok := split(in.NodeId)
	switch {
	case !ok:
		f.releasePage(in.Fh)
	case kind == draftKind:
		if d, ok := f.drafts.get(in.NodeId); ok {
			f.drafts.closed(d)
		}
	case in.Fh == f.epoch:
		f.index.Unpin(number)
	}
}
