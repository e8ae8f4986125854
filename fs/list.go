package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// lister is where a directory's listing goes: with or without the entries' attributes.
type lister interface {
	// add reports false when the listing is full.
	add(e fuse.DirEntry, node uint64) bool
}

type plain struct{ *fuse.DirEntryList }

func (l plain) add(e fuse.DirEntry, _ uint64) bool { return l.AddDirEntry(e) }

type plus struct {
	*fuse.DirEntryList
	fs *FS
}

// add primes the kernel's caches, as a lookup would; "." and ".." have no node.
func (l plus) add(e fuse.DirEntry, node uint64) bool {
	out := l.AddDirLookupEntry(e)
	if out == nil {
		return false
	}
	if node == 0 {
		return true
	}
	if l.fs.entry(node, keepName(node), out) != nil {
		*out = fuse.EntryOut{} // superseded this instant: the kernel looks it up when it wants it
	}
	return true
}

// openDir has the kernel walk the path again when the directory has gone under an
// earlier process.
func (f *FS) openDir(node uint64) error {
	kind, _, ok := split(node)
	if _, known := f.tree.path(node); ok && kind == dirKind && !known {
		return syscall.ESTALE
	}
	return nil
}

// batch is how many children are taken from the tree at a time.
const batch = 128

// A position in a listing is twice the child's cookie, and one more for its
// signature. Cookies start above the positions of "." and "..", are stable over
// versions and never used twice, so a listing goes on where it stopped whatever came and
// went meanwhile, without a snapshot.
func (f *FS) list(in *fuse.ReadIn, l lister) error {
	at := in.Offset
	for i, dots := uint64(1), []string{".", ".."}; i <= 2; i++ {
		if at < i && !l.add(fuse.DirEntry{Name: dots[i-1], Mode: syscall.S_IFDIR, Ino: in.NodeId, Off: i}, 0) {
			return nil
		}
	}
	if in.NodeId == pagesNode {
		return f.listPages(at, l)
	}
	if reserved(in.NodeId) {
		return f.listHistory(in.NodeId, at, l)
	}
	if dir, ok := f.tree.path(in.NodeId); ok && f.hasLinks(dir) {
		return f.listLinks(dir, at, l)
	}
	for {
		children, ok := f.tree.list(in.NodeId, at/2, batch)
		if !ok {
			return syscall.ENOENT // it has gone since it was opened
		}
		for _, c := range children {
			if !addChild(l, c, at) {
				return nil
			}
		}
		if len(children) < batch {
			return nil
		}
		at = 2*children[len(children)-1].cookie + 1
	}
}

// addChild adds a child and its signature, as far as they are behind position at.
func addChild(l lister, c named, at uint64) bool {
	position := 2 * c.cookie
	if c.isDir() {
		return at >= position || l.add(fuse.DirEntry{Name: c.name, Mode: syscall.S_IFDIR, Ino: c.node(), Off: position}, c.node())
	}
	if at < position && !l.add(fuse.DirEntry{Name: c.name, Mode: syscall.S_IFREG, Ino: c.node(), Off: position}, c.node()) {
		return false
	}
	node := nodeID(signatureKind, c.entry.Seq)
	return at > position || l.add(fuse.DirEntry{Name: c.name + signatureSuffix, Mode: syscall.S_IFREG, Ino: node, Off: position + 1}, node)
}
