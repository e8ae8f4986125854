package fs

import (
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
	mu      sync.RWMutex
	dirs    map[uint64]*dir   // by node id
	byPath  map[string]*dir   // "" is the root
	dead    map[uint64]uint64 // removed directories by node id: the generation of the next one
	removed uint64            // how many ever were
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
	return &tree{dirs: map[uint64]*dir{rootNode: root}, byPath: map[string]*dir{"": root}, dead: map[uint64]uint64{}}
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
	t.drop(c.dir)
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
