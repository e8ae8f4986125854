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
	"dmfs/trust"
)

// A link leads from a member's name to what the member publishes. It is in the directory
// [index.ByName] of a namespace. Like the history links are made at each request and
// kept by nobody: a certificate that ends or is renewed is no change of a name. One with
// another target is another inode.
type link struct {
	dir, base string
	target    string
	issued    time.Time
	number    uint64 // a digest of the first three, greater than any number of the index
}

func newLink(dir, base, target string, issued time.Time) link {
	sum := sha256.Sum256([]byte(dir + "/" + base + "\x00" + target))
	return link{dir, base, target, issued, binary.BigEndian.Uint64(sum[:])>>4 | 1<<60}
}

func (l link) node() uint64 { return nodeID(linkKind, l.number) }

// hasLinks reports whether a directory is that of a namespace's links.
func (f *FS) hasLinks(dir string) bool {
	namespace, base := splitPath(dir)
	return base == index.ByName && slices.Contains(f.index.Policy().Namespaces(), namespace)
}

// linksIn returns the links in a directory, in the order of members' names, each of which
// is one part of a path. A name is one member's, who was certified last; it is left out
// while that one shows nothing in the namespace.
func (f *FS) linksIn(dir string) (links []link) {
	if !f.hasLinks(dir) {
		return nil
	}
	last := ""
	for _, m := range f.index.Members() {
		if m.Name == last {
			continue
		}
		last = m.Name
		if l, ok := f.linkTo(dir, m); ok {
			links = append(links, l)
		}
	}
	return links
}

// linkTo makes the link to a member's place in a namespace, if something is shown there.
func (f *FS) linkTo(dir string, m trust.Member) (link, bool) {
	namespace, _ := splitPath(dir)
	above, _ := f.tree.node(namespace)
	key := base64.RawURLEncoding.EncodeToString(m.Key[:])
	_, ok := f.tree.child(above, key)
	return newLink(dir, m.Name, "../"+key, m.Issued), ok
}

// linkIn finds a link by its name, linkAt by its node.
func (f *FS) linkIn(dir, base string) (link, bool) {
	if !f.hasLinks(dir) {
		return link{}, false
	}
	m, ok := f.index.Named(base)
	if !ok {
		return link{}, false
	}
	return f.linkTo(dir, m)
}

func (f *FS) linkAt(node uint64) (link, bool) {
	known, ok := f.links.of(node, f.allLinks)
	if !ok {
		return link{}, false
	}
	l, ok := f.linkIn(known.dir, known.base)
	return l, ok && l.target == known.target
}

// allLinks returns the links of all namespaces.
func (f *FS) allLinks() (all []link) {
	for _, namespace := range f.index.Policy().Namespaces() {
		all = append(all, f.linksIn(joinPath(namespace, index.ByName))...)
	}
	return all
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
	links := f.linksIn(dir)
	slices.SortFunc(links, func(a, b link) int { return cmp.Compare(a.number, b.number) })
	for _, l := range links {
		e := fuse.DirEntry{Name: l.base, Mode: syscall.S_IFLNK, Ino: l.node(), Off: l.number}
		if at < e.Off && !to.add(e, e.Ino) {
			break
		}
	}
	return nil
}
