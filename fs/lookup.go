package fs

import (
	"cmp"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"dmfs/index"
	"dmfs/trust"
)

// lookup finds a name for a thread: the draft that its second walk must find,
// then what is shown, then a draft of its own process.
func (f *FS) lookup(h *fuse.InHeader, base string, out *fuse.EntryOut) error {
	switch {
	case h.NodeId == pagesNode:
		return f.lookupHidden(h, base, out)
	case h.NodeId == rootNode && base == pagesDir:
		return f.entry(pagesNode, forever, out)
	}
	if dir, ok := f.historyPath(h.NodeId); ok {
		return f.lookupHistory(dir, base, out)
	}
	dir, ok := f.tree.path(h.NodeId)
	if !ok {
		return syscall.ESTALE
	}
	path := joinPath(dir, base)
	if d, ok := f.drafts.marked(h.Pid, path); ok {
		return f.entry(d.node, 0, out)
	}
	if node, ok := f.visible(h.NodeId, base); ok {
		return f.entry(node, keepName(node), out)
	}
	if d, ok := f.drafts.of(path, h.Pid); ok {
		return f.entry(d.node, 0, out)
	}
	return syscall.ENOENT
}

// visible finds what everybody sees under a name.
func (f *FS) visible(dir uint64, base string) (node uint64, ok bool) {
	if c, ok := f.tree.child(dir, base); ok {
		return c.node(), true
	}
	if stem, ok := strings.CutSuffix(base, signatureSuffix); ok {
		if c, ok := f.tree.child(dir, stem); ok && !c.isDir() {
			return nodeID(signatureKind, c.entry.Seq), true
		}
	}
	if path, ok := f.tree.path(dir); ok {
		if l, ok := f.linkIn(path, base); ok {
			return l.node(), true
		}
	}
	return 0, false
}

func (c child) node() uint64 {
	if c.isDir() {
		return c.dir.node
	}
	return nodeID(contentKind, c.entry.Inode)
}

// entry answers a lookup with a node and its attributes.
func (f *FS) entry(node uint64, keep time.Duration, out *fuse.EntryOut) error {
	keepAttr, err := f.attr(node, &out.Attr)
	if err != nil {
		return err
	}
	out.NodeId, out.Generation = node, f.tree.generation(node)
	out.SetEntryTimeout(keep)
	out.SetAttrTimeout(keepAttr)
	return nil
}

func (f *FS) getAttr(node uint64, out *fuse.AttrOut) error {
	keep, err := f.attr(node, &out.Attr)
	if err != nil {
		return err
	}
	out.SetTimeout(keep)
	return nil
}

// attr fills in a node's attributes and says how long they hold. ESTALE makes the
// kernel walk the path again.
func (f *FS) attr(node uint64, a *fuse.Attr) (time.Duration, error) {
	a.Ino, a.Nlink, a.Blksize, a.Owner = node, 1, 4096, f.owner
	kind, number, ok := split(node)
	if !ok {
		return f.fixedAttr(node, a)
	}
	switch kind {
	case dirKind:
		return f.dirAttr(node, a)
	case historyKind:
		return 0, f.historyAttr(node, a)
	case linkKind:
		return 0, f.linkAttr(node, a)
	case draftKind:
		return 0, f.draftAttr(node, a)
	}
	v, ok := f.index.Stored(number)
	if !ok {
		return 0, syscall.ESTALE
	}
	a.Mode = syscall.S_IFREG | f.fileMode
	if kind == contentKind && !f.linked(number, v.Name) {
		a.Nlink = 0
	}
	setSize(a, uint64(sizeOf(kind, v)))
	setTime(a, v.Version.Time())
	if reserved(node) {
		return 0, nil
	}
	return forever, nil
}

// linked reports whether a version has a name: not when it was superseded or
// deleted and is merely still open. The kernel asks anew after it lost its name.
func (f *FS) linked(inode uint64, n trust.Name) bool {
	if shown, ok := f.tree.shown(n); ok && shown.Inode == inode {
		return true
	}
	held, ok := f.index.Get(n)
	return ok && held.Shown && held.Inode == inode || f.staged.holds(inode)
}

func sizeOf(k kind, v index.Stored) int64 {
	if k.isSignature() {
		return int64(len(v.Signature))
	}
	return v.Size
}

// dirAttr may be kept by the kernel for a while: all changes of a directory are
// made through the mount, after which the kernel asks anew.
func (f *FS) dirAttr(node uint64, a *fuse.Attr) (time.Duration, error) {
	changed, ok := f.tree.changed(node)
	if !ok {
		return 0, syscall.ESTALE
	}
	a.Mode = syscall.S_IFDIR | f.dirMode
	setTime(a, changed)
	return time.Second, nil
}

func (f *FS) fixedAttr(node uint64, a *fuse.Attr) (time.Duration, error) {
	switch {
	case node == rootNode:
		return f.dirAttr(node, a)
	case node == pagesNode:
		a.Mode = syscall.S_IFDIR | f.dirMode
		setTime(a, f.started)
		return forever, nil
	case node == historyNode:
		return 0, f.historyAttr(node, a)
	case f.page(node) != nil:
		a.Mode = syscall.S_IFREG | 0o444&f.dirMode
		setTime(a, time.Now())
		return 0, nil
	}
	return 0, syscall.ESTALE
}

func (f *FS) draftAttr(node uint64, a *fuse.Attr) error {
	d, ok := f.drafts.get(node)
	if !ok {
		return syscall.ESTALE
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	a.Mode = syscall.S_IFREG | 0o600
	a.Uid = d.uid
	a.Ino = cmp.Or(d.inode, node)
	if d.gone {
		a.Nlink = 0
	}
	setSize(a, uint64(len(d.data)))
	setTime(a, d.used)
	return nil
}

func setSize(a *fuse.Attr, size uint64) {
	a.Size, a.Blocks = size, (size+511)/512
}

func setTime(a *fuse.Attr, t time.Time) { a.SetTimes(&t, &t, &t) }

// statFs reports the file system that holds the index, which is what limits
// this one.
func (f *FS) statFs(out *fuse.StatfsOut) error {
	var st unix.Statfs_t
	if err := unix.Statfs(cmp.Or(f.stateDir, filepath.Dir(f.mountpoint)), &st); err != nil {
		return err
	}
	scale := uint64(max(st.Bsize, 1))
	*out = fuse.StatfsOut{
		Bsize: 4096, Frsize: 4096, NameLen: 255,
		Blocks: st.Blocks * scale / 4096, Bfree: st.Bfree * scale / 4096, Bavail: st.Bavail * scale / 4096,
		Files: st.Files, Ffree: st.Ffree,
	}
	return nil
}
