package fs

import (
	"errors"
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dmfs/trust"
)

// create starts a draft under a name that its process does not see yet. Tools
// write to names of their own making before they rename, so any well-formed name will do;
// what may become visible is decided by the verdict.
func (f *FS) create(in *fuse.CreateIn, base string, out *fuse.CreateOut) error {
	path, err := f.writable(&in.InHeader, base)
	if err != nil {
		return err
	}
	d := &draft{path: path, process: processOf(in.Pid), uid: in.Uid, empty: true}
	if err := f.drafts.add(d, true); err != nil {
		f.refuse(path, d, err)
		return err
	}
	f.dirs.use(path)
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return f.entry(d.node, 0, &out.EntryOut)
}

// writable returns the path of a name in a directory if the caller may start a
// draft there.
func (f *FS) writable(h *fuse.InHeader, base string) (string, error) {
	dir, ok := f.tree.path(h.NodeId)
	switch {
	case reserved(h.NodeId):
		return "", ErrUnsigned
	case !ok:
		return "", syscall.ESTALE
	case f.readOnly:
		return "", syscall.EROFS
	case f.hasLinks(dir):
		return "", trust.ErrNotAllowed
	}
	path := joinPath(dir, base)
	_, err := trust.ParseName(strings.TrimSuffix(path, signatureSuffix))
	return path, err
}

// redirect sends a thread that wants to write a visible file on a second walk
// of its path, on which it finds a draft.
func (f *FS) redirect(thread, uid uint32, node uint64, truncate bool) error {
	if f.readOnly {
		return syscall.EROFS
	}
	kind, number, _ := split(node)
	v, ok := f.index.Stored(number)
	if !ok {
		return syscall.ESTALE
	}
	path := v.Name.String()
	if kind == signatureKind {
		path = v.Name.Signature()
	}
	d, err := f.draftFor(thread, uid, path, truncate)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.inode = node
	d.mu.Unlock()
	f.drafts.setMark(thread, path, d)
	return syscall.ESTALE
}

// draftFor returns the process's own draft of a visible path, or a new one that
// starts from what is shown.
func (f *FS) draftFor(thread, uid uint32, path string, truncate bool) (*draft, error) {
	if d, ok := f.drafts.of(path, thread); ok {
		return d, nil
	}
	var base []byte
	if !truncate {
		var err error
		if base, err = f.shownBytes(path); err != nil {
			return nil, err
		}
	}
	d := &draft{path: path, process: processOf(thread), uid: uid, data: base}
	err := f.drafts.add(d, false)
	if err != nil {
		f.refuse(path, d, err)
	}
	return d, err
}

// shownBytes returns a copy of what is visible under a path.
func (f *FS) shownBytes(path string) ([]byte, error) {
	stem, isSignature := strings.CutSuffix(path, signatureSuffix)
	name, err := trust.ParseName(stem)
	if err != nil {
		return nil, err
	}
	e, ok := f.tree.shown(name)
	if !ok {
		return nil, syscall.ESTALE
	}
	if isSignature {
		return append([]byte(nil), e.Record.Signature()...), nil
	}
	return f.index.Content(e.Record.Digest())
}

func (f *FS) openDraft(in *fuse.OpenIn, out *fuse.OpenOut) error {
	if !writes(in.Flags) {
		return syscall.EACCES
	}
	d, ok := f.drafts.open(in.NodeId)
	if !ok {
		return syscall.ESTALE
	}
	f.drafts.clearMark(in.Pid)
	if in.Flags&syscall.O_TRUNC != 0 {
		f.empty(d)
	}
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return nil
}

func (f *FS) empty(d *draft) {
	d.sizing.Lock()
	defer d.sizing.Unlock()
	d.truncate()
	f.drafts.shrunk(d, 0)
	f.drafts.revive(d)
}

// readDraft serves an editor that reads before it writes. As soon as a byte is
// the writer's own it cannot be read, not even by the writer (I6).
func (f *FS) readDraft(node, offset uint64, buf []byte) (int, error) {
	d, ok := f.drafts.get(node)
	if !ok {
		return 0, syscall.ESTALE
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.touched || d.empty {
		return 0, syscall.EACCES
	}
	return copyAt(buf, d.data, offset), nil
}

func (f *FS) write(node, offset uint64, data []byte) (uint32, error) {
	d, ok := f.drafts.get(node)
	if !ok {
		return 0, errLost
	}
	d.sizing.Lock()
	defer d.sizing.Unlock()
	end := offset + uint64(len(data))
	if err := f.reserve(d, end); err != nil {
		return 0, err
	}
	d.write(data, int(offset))
	f.drafts.revive(d)
	return uint32(len(data)), nil
}

// reserve checks the limits before a draft grows to size.
func (f *FS) reserve(d *draft, size uint64) error {
	err := limit(size)
	if err == nil {
		err = f.drafts.reserve(d, int(size))
	}
	if err != nil {
		f.refuse(d.location(), d, err)
	}
	return err
}

// setAttr changes the size of a draft. Times, modes and owners are accepted and
// ignored, since cp -p, install and rsync set them on every file they write and what is
// shown is the signer's business.
func (f *FS) setAttr(in *fuse.SetAttrIn, out *fuse.AttrOut) error {
	caller := in.Caller // in.Uid is the owner that is asked for, not who asks
	kind, _, _ := split(in.NodeId)
	size, resize := in.GetSize()
	switch {
	case !resize:
		return f.getAttr(in.NodeId, out)
	case reserved(in.NodeId) || kind == dirKind || in.NodeId == rootNode:
		return syscall.EPERM
	case kind != draftKind:
		return f.redirect(caller.Pid, caller.Uid, in.NodeId, size == 0)
	}
	if err := f.resize(in.NodeId, caller.Pid, size); err != nil {
		return err
	}
	return f.getAttr(in.NodeId, out)
}

func (f *FS) resize(node uint64, thread uint32, size uint64) error {
	d, ok := f.drafts.get(node)
	if !ok {
		return syscall.ESTALE
	}
	f.drafts.clearMark(thread)
	if size == 0 {
		f.empty(d)
		return nil
	}
	d.sizing.Lock()
	defer d.sizing.Unlock()
	if err := f.reserve(d, size); err != nil {
		return err
	}
	d.resize(int(size))
	f.drafts.shrunk(d, int(size))
	f.drafts.revive(d)
	return nil
}

// errLost answers for a draft that an earlier process on this mount began. Its
// bytes are gone, so its close must not succeed.
var errLost = errors.New("the draft was lost when dmfs was started anew")

// flush gives the verdict to close(2). It may come early and often, since a shell
// closes duplicates of a descriptor: without a write in between it asks for
// nothing.
//
// It is the one handler that waits for other requests, the delivery's rename,
// which is safe: close(2) holds no lock of a directory, and the server always
// has a goroutine reading the next request.
func (f *FS) flush(node uint64) error {
	if k, _, ok := split(node); !ok || k != draftKind {
		return nil
	}
	d, ok := f.drafts.get(node)
	if !ok {
		return errLost
	}
	ask, written := d.offer()
	if !ask {
		return nil
	}
	seq, err := f.judge(d, written)
	if err != nil || seq == 0 {
		return err
	}
	if err := f.delivered(seq); err != nil {
		f.log.Warn("a close failed although its record is on disk", "seq", seq, "err", err)
		return err
	}
	return nil
}
