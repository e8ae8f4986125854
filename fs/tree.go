package fs

import (
	"slices"
	"strings"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

// tree is what the mount shows at this moment. It runs behind the index by the
// changes that are not delivered yet, since the kernel must not learn of a
// version by a lookup before it learns of it by the rename.
type tree struct {
	mu     sync.RWMutex
	dirs   map[uint64]*dir // by node id
	byPath map[string]*dir // "" is the root
}

// dir is one directory. Its fields are guarded by the tree's lock.
type dir struct {
	node     uint64
	path     string
	changed  time.Time
	children map[string]child
	order    []string // names of children in the order of their cookies
}

// child is a subdirectory or a file.
type child struct {
	cookie uint64 // stable over versions, so that readdir needs no snapshot
	dir    *dir
	entry  index.Entry
}

func (c child) isDir() bool { return c.dir != nil }

func newTree() *tree {
	root := &dir{node: rootNode, changed: time.Now(), children: map[string]child{}}
	return &tree{dirs: map[uint64]*dir{rootNode: root}, byPath: map[string]*dir{"": root}}
}

// addDir shows the directory path, whose parent is shown already.
func (t *tree) addDir(path string, number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byPath[path] != nil {
		return
	}
	d := &dir{node: nodeID(dirKind, number), path: path, changed: time.Now(), children: map[string]child{}}
	t.dirs[d.node], t.byPath[path] = d, d
	parent, base := splitPath(path)
	t.byPath[parent].put(base, child{cookie: number, dir: d})
}

// removeDir takes away a directory with nothing in it.
func (t *tree) removeDir(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.byPath[path]
	if d == nil || len(d.children) > 0 {
		return
	}
	delete(t.dirs, d.node)
	delete(t.byPath, path)
	parent, base := splitPath(path)
	t.byPath[parent].remove(base)
}

// emptyDirs returns the directories that have no file below them and are not
// wanted, children first.
func (t *tree) emptyDirs(wanted []string) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	needed := map[string]bool{"": true}
	for _, path := range wanted {
		needed[path] = true
	}
	for path, d := range t.byPath {
		for _, c := range d.children {
			if !c.isDir() {
				need(needed, path)
				break
			}
		}
	}
	var empty []string
	for path := range t.byPath {
		if !needed[path] {
			empty = append(empty, path)
		}
	}
	slices.Sort(empty)
	slices.Reverse(empty)
	return empty
}

// need marks a directory and those above it.
func need(needed map[string]bool, path string) {
	for !needed[path] {
		needed[path] = true
		path, _ = splitPath(path)
	}
}

// show makes e the visible version of its name and returns what was, which is e
// itself when its directory is missing.
func (t *tree) show(e index.Entry) (old index.Entry, was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.byPath[e.Name.Dir()]
	if d == nil {
		return e, true
	}
	c, ok := d.children[e.Name.Base()]
	d.put(e.Name.Base(), child{cookie: e.Born, entry: e})
	return c.entry, ok && !c.isDir()
}

// hide removes a name and returns what was visible.
func (t *tree) hide(n trust.Name) (old index.Entry, was bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.byPath[n.Dir()]
	if d == nil {
		return index.Entry{}, false
	}
	c, ok := d.children[n.Base()]
	if !ok || c.isDir() {
		return index.Entry{}, false
	}
	d.remove(n.Base())
	return c.entry, true
}

// shown returns the visible version of a name.
func (t *tree) shown(n trust.Name) (index.Entry, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := t.byPath[n.Dir()]
	if d == nil {
		return index.Entry{}, false
	}
	c, ok := d.children[n.Base()]
	return c.entry, ok && !c.isDir()
}

// path returns the path of a directory's node.
func (t *tree) path(node uint64) (string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.dirs[node]
	if !ok {
		return "", false
	}
	return d.path, true
}

// node is the inverse of path.
func (t *tree) node(path string) (uint64, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.byPath[path]
	if !ok {
		return 0, false
	}
	return d.node, true
}

// has reports whether the directory is shown.
func (t *tree) has(path string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byPath[path] != nil
}

// child looks base up in the directory with that node id.
func (t *tree) child(node uint64, base string) (child, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.dirs[node]
	if !ok {
		return child{}, false
	}
	c, ok := d.children[base]
	return c, ok
}

// named is a child with its name.
type named struct {
	name string
	child
}

// list returns up to limit children whose cookie is at least from, in the order
// of cookies, which is stable while names come and go.
func (t *tree) list(node, from uint64, limit int) ([]named, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.dirs[node]
	if !ok {
		return nil, false
	}
	i, _ := d.find(from)
	var out []named
	for _, name := range d.order[i:min(i+limit, len(d.order))] {
		out = append(out, named{name, d.children[name]})
	}
	return out, true
}

// changed returns when the directory last changed.
func (t *tree) changed(node uint64) (time.Time, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d, ok := t.dirs[node]
	if !ok {
		return time.Time{}, false
	}
	return d.changed, true
}

func (d *dir) put(base string, c child) {
	if old, ok := d.children[base]; !ok || old.cookie != c.cookie {
		d.remove(base)
		i, _ := d.find(c.cookie)
		d.order = slices.Insert(d.order, i, base)
	}
	d.children[base] = c
	d.changed = time.Now()
}

func (d *dir) remove(base string) {
	c, ok := d.children[base]
	if !ok {
		return
	}
	i, _ := d.find(c.cookie)
	d.order = slices.Delete(d.order, i, i+1)
	delete(d.children, base)
	d.changed = time.Now()
}

// find returns the position of the first child whose cookie is at least cookie.
func (d *dir) find(cookie uint64) (int, bool) {
	return slices.BinarySearchFunc(d.order, cookie, func(name string, want uint64) int {
		have := d.children[name].cookie
		switch {
		case have < want:
			return -1
		case have > want:
			return 1
		}
		return 0
	})
}

func splitPath(path string) (dir, base string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

func joinPath(dir, base string) string {
	if dir == "" {
		return base
	}
	return dir + "/" + base
}
