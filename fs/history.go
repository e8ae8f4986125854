package fs

import (
	"cmp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dmfs/index"
	"dmfs/trust"
)

// historyDir is the directory of kept versions, in the hidden one. A name is a
// directory in it, and a version a file that has its signed time for a name. All of it
// is made from the index at each request and kept by nobody, since nothing tells the
// kernel when a version comes or goes there.
const historyDir = "history"

// historyPath returns the path of a directory's node, "" for the history itself.
func (f *FS) historyPath(node uint64) (string, bool) {
	if node == historyNode {
		return "", true
	}
	k, number, ok := split(node)
	if !ok || k != historyKind {
		return "", false
	}
	return f.paths.of(number)
}

// lookupHistory finds a version in the directory of its name, or a directory.
func (f *FS) lookupHistory(dir, base string, out *fuse.EntryOut) error {
	node, ok := f.versionAt(dir, base)
	if path := joinPath(dir, base); !ok && f.leads(path) {
		node, ok = nodeID(historyKind, f.historyNumber(path)), true
	}
	if !ok || f.entry(node, 0, out) != nil { // the index is dropping it at this moment
		return syscall.ENOENT
	}
	return nil
}

// versionAt finds the node of a version of the name dir, or of its signature.
func (f *FS) versionAt(dir, base string) (node uint64, ok bool) {
	stem, isSignature := strings.CutSuffix(base, signatureSuffix)
	for _, v := range f.versions(dir) {
		if versionName(v) == stem {
			return versionNode(v, isSignature), true
		}
	}
	return 0, false
}

// versions returns the kept versions of a name that the policy admits, the
// newest first. Of two that a signer gave one time, the one that came last won.
func (f *FS) versions(path string) []index.Stored {
	name, err := trust.ParseName(path)
	if err != nil {
		return nil
	}
	held, ok := f.index.Get(name)
	if !ok {
		return nil
	}
	return f.proofs.of(held, f.index.Policy(), func() []index.Stored { return distinct(f.index.History(name)) })
}

func distinct(all []index.Stored) (versions []index.Stored) {
	for _, v := range all {
		if !slices.ContainsFunc(versions, func(o index.Stored) bool { return o.Version == v.Version }) {
			versions = append(versions, v)
		}
	}
	return versions
}

func versionName(v index.Stored) string { return v.Version.Time().Format(time.RFC3339Nano) }

// versionNode is an inode of its own, also for the version that is shown under its name.
// That one has one link, which the next delivery takes away so that watchers hear of
// its end, and who writes to it is sent to a draft.
func versionNode(v index.Stored, signature bool) uint64 {
	if signature {
		return nodeID(keptSignatureKind, v.Seq)
	}
	return nodeID(keptContentKind, v.Seq)
}

// leads reports whether there are kept versions of a name or of one below it.
func (f *FS) leads(path string) bool {
	name, err := trust.ParseName(path)
	if err != nil {
		return false
	}
	if e, ok := f.index.Get(name); ok && f.keeps(e) {
		return true
	}
	return slices.ContainsFunc(below(f.index.Entries(), path), f.keeps)
}

// keeps reports whether there are kept versions of a name. One that is shown needs
// no proof.
func (f *FS) keeps(e index.Entry) bool {
	return e.Shown || len(f.index.History(e.Name)) > 0
}

// below returns those of the sorted entries whose names are below a directory.
func below(all []index.Entry, dir string) []index.Entry {
	if dir == "" {
		return all
	}
	from, _ := slices.BinarySearchFunc(all, dir+"/", compareName)
	to, _ := slices.BinarySearchFunc(all, dir+"0", compareName) // what follows the slash
	return all[from:to]
}

func compareName(e index.Entry, path string) int { return strings.Compare(e.Name.String(), path) }

// historyNumber returns the number of a directory of the history, which is never that of
// another one.
func (f *FS) historyNumber(path string) uint64 {
	if number, ok := f.index.Dirs()[path]; ok {
		return number
	}
	if name, err := trust.ParseName(path); err == nil {
		e, _ := f.index.Get(name)
		return e.Born
	}
	return 0
}

// historyAttr says of a name's directory when its newest version came.
func (f *FS) historyAttr(node uint64, a *fuse.Attr) error {
	path, ok := f.historyPath(node)
	if !ok {
		return syscall.ESTALE
	}
	a.Mode = syscall.S_IFDIR | f.dirMode
	setTime(a, f.started)
	if name, err := trust.ParseName(path); err == nil {
		if e, ok := f.index.Get(name); ok {
			setTime(a, e.Since)
		}
	}
	return nil
}

// An item is what a directory of the history contains.
type item struct {
	fuse.DirEntry
	path string // of a directory that is yet to be asked whether it leads anywhere
}

// listHistory goes on behind position at. Positions are those of the tree's listings.
func (f *FS) listHistory(node, at uint64, l lister) error {
	dir, ok := f.historyPath(node)
	if !ok {
		return syscall.ESTALE
	}
	for _, i := range f.items(dir) {
		if i.Off <= at || i.path != "" && !f.leads(i.path) {
			continue
		}
		if !l.add(i.DirEntry, i.Ino) {
			break
		}
	}
	return nil
}

// items returns what may be in a directory, in the order of positions.
func (f *FS) items(dir string) []item {
	var all []item
	for _, v := range f.versions(dir) {
		content, signature := versionNode(v, false), versionNode(v, true)
		all = append(all,
			item{DirEntry: fuse.DirEntry{Name: versionName(v), Mode: syscall.S_IFREG, Ino: content, Off: 2 * v.Seq}},
			item{DirEntry: fuse.DirEntry{Name: versionName(v) + signatureSuffix, Mode: syscall.S_IFREG, Ino: signature, Off: 2*v.Seq + 1}})
	}
	for _, path := range f.subdirectories(dir) {
		number := f.historyNumber(path)
		_, base := splitPath(path)
		all = append(all, item{fuse.DirEntry{Name: base, Mode: syscall.S_IFDIR, Ino: nodeID(historyKind, number), Off: 2 * number}, path})
	}
	slices.SortFunc(all, func(a, b item) int { return cmp.Compare(a.Off, b.Off) })
	return all
}

// subdirectories returns the paths of the directories that names below dir need, each
// once, in no particular order.
func (f *FS) subdirectories(dir string) (paths []string) {
	seen := map[string]bool{}
	for _, e := range below(f.index.Entries(), dir) {
		base, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(e.Name.String(), dir), "/"), "/")
		if !seen[base] {
			seen[base] = true
			paths = append(paths, joinPath(dir, base))
		}
	}
	return paths
}
