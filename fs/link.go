package fs

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dmfs/index"
)

// A link leads from a member's name to what the member publishes. It is in the directory
// [index.ByName] of a namespace. Like the history links are made at each request and
// kept by nobody: a certificate that ends or is renewed is no change of a name. One with
// another target is another inode.
type link struct {
	dir, base string
	target    string
	issued    time.Time
}

// number is the link's digest, greater than any number of the index.
func (l link) number() uint64 {
	sum := sha256.Sum256([]byte(l.dir + "/" + l.base + "\x00" + l.target))
	return binary.BigEndian.Uint64(sum[:])>>4 | 1<<60
}

func (l link) node() uint64 { return nodeID(linkKind, l.number()) }

// hasLinks reports whether a directory is that of a namespace's links.
func (f *FS) hasLinks(dir string) bool {
	namespace, base := splitPath(dir)
	return base == index.ByName && slices.Contains(f.index.Policy().Namespaces(), namespace)
}

// links returns the links in a directory, in the order of members' names, each of which
// is one part of a path. A name is one member's, who was certified last; it is left out
// while that one shows nothing in the namespace.
func (f *FS) links(dir string) []link {
	if !f.hasLinks(dir) {
		return nil
	}
	namespace, _ := splitPath(dir)
	above, _ := f.tree.node(namespace)
	var links []link
	last := ""
	for _, m := range f.index.Members() {
		if m.Name == last {
			continue
		}
		last = m.Name
		key := base64.RawURLEncoding.EncodeToString(m.Key[:])
		if _, ok := f.tree.child(above, key); ok {
			links = append(links, link{dir, m.Name, "../" + key, m.Issued})
		}
	}
	return links
}

// linkIn finds a link by its name, linkAt by its node.
func (f *FS) linkIn(dir, base string) (link, bool) {
	return find(f.links(dir), func(l link) bool { return l.base == base })
}

func (f *FS) linkAt(node uint64) (link, bool) {
	for _, namespace := range f.index.Policy().Namespaces() {
		if l, ok := find(f.links(joinPath(namespace, index.ByName)), func(l link) bool { return l.node() == node }); ok {
			return l, true
		}
	}
	return link{}, false
}

func find(links []link, is func(link) bool) (link, bool) {
	if i := slices.IndexFunc(links, is); i >= 0 {
		return links[i], true
	}
	return link{}, false
}

func (f *FS) readLink(node uint64) ([]byte, error) {
	l, ok := f.linkAt(node)
	if !ok {
		return nil, syscall.ESTALE
	}
	return []byte(l.target), nil
}

// linkAttr says when the member was certified.
func (f *FS) linkAttr(node uint64, a *fuse.Attr) error {
	l, ok := f.linkAt(node)
	if !ok {
		return syscall.ESTALE
	}
	a.Mode = syscall.S_IFLNK | 0o777
	setSize(a, uint64(len(l.target)))
	setTime(a, l.issued)
	return nil
}

// listLinks goes on behind position at. A link's position is its number, so that a
// listing does not mind what comes and goes.
func (f *FS) listLinks(dir string, at uint64, to lister) error {
	links := f.links(dir)
	slices.SortFunc(links, func(a, b link) int { return cmp.Compare(a.number(), b.number()) })
	for _, l := range links {
		e := fuse.DirEntry{Name: l.base, Mode: syscall.S_IFLNK, Ino: l.node(), Off: l.number()}
		if at < e.Off && !to.add(e, e.Ino) {
			break
		}
	}
	return nil
}
