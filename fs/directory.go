package fs

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

// dir is one directory. Its fields are guarded by the tree's lock.
type dir struct {
	node       uint64
	generation uint64
	path       string
	changed    time.Time
	children   map[string]child
	order      []string // names of children in the order of their cookies
}

// addDir shows the directory path, if its parent is shown and nothing has its name.
func (t *tree) addDir(path string, number uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	parent, base := splitPath(path)
	above := t.byPath[parent]
	if above == nil || t.byPath[path] != nil {
		return false
	}
	if _, taken := above.children[base]; taken {
		return false
	}
	node := nodeID(dirKind, number)
	d := &dir{node: node, generation: t.dead[node], path: path, changed: time.Now(), children: map[string]child{}}
	t.dirs[d.node], t.byPath[path] = d, d
	above.put(base, child{cookie: number, dir: d})
	return true
}

// maxDead bounds how many removed directories are remembered.
const maxDead = 4096

// removeDir takes away a directory with nothing in it, and reports whether it is gone.
// Whoever still is in it keeps the kernel's inode, which is dead: a directory that
// comes to the path later has another generation, so that the kernel makes it another inode.
func (t *tree) removeDir(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.byPath[path]
	if d == nil || len(d.children) > 0 {
		return d == nil
	}
	if len(t.dead) >= maxDead {
		clear(t.dead)
	}
	t.removed++
	t.dead[d.node] = t.removed
	t.drop(d)
	parent, base := splitPath(path)
	t.byPath[parent].remove(base)
	return true
}

// generation tells a directory from an earlier one with its node.
func (t *tree) generation(node uint64) uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if d, ok := t.dirs[node]; ok {
		return d.generation
	}
	return 0
}

// drop forgets a directory and those in it. It needs the lock.
func (t *tree) drop(d *dir) {
	if d == nil {
		return
	}
	for _, c := range d.children {
		t.drop(c.dir)
	}
	delete(t.dirs, d.node)
	delete(t.byPath, d.path)
}

// emptyDirs returns the directories that have no file below them and are not
// wanted, children first.
func (t *tree) emptyDirs(wanted []string) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	needed := map[string]bool{"": true}
	for _, path := range wanted {
		need(needed, path)
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

// dirNumber returns the number of a directory: the index's where the policy needs it. That of a
// member's directory is computed, since it may be there before any record, and neither
// records nor another process may change it: to the kernel it would be another
// directory, and watchers of this one would hear nothing more.
func (f *FS) dirNumber(path string) (number uint64, ok bool) {
	if f.isMembers(path) {
		return f.secret.number(path), true
	}
	number, ok = f.index.Dirs()[path]
	return number, ok
}

// isMembers reports whether a path is a directory in which a member may have files.
func (f *FS) isMembers(path string) bool {
	name, err := trust.ParseName(path + "/x")
	if err != nil {
		return false
	}
	_, _, ok := f.index.Policy().Namespace(name)
	return ok
}

// A secret makes numbers of paths. It is the same for the life of a mount, and nobody knows
// it, lest somebody make paths of one number.
type secret []byte

func newSecret() secret {
	s := make(secret, 32)
	_, _ = rand.Read(s) // never fails
	return s
}

// number returns a number of 61 bits, above all those of the index.
func (s secret) number(path string) uint64 {
	sum := sha256.Sum256(append(s[:len(s):len(s)], path...))
	return 1<<60 | binary.BigEndian.Uint64(sum[:])>>4
}

// placeDir shows a directory and those above it without a request through the mount.
func (f *FS) placeDir(path string) {
	if path == "" || f.tree.has(path) {
		return
	}
	parent, _ := splitPath(path)
	f.placeDir(parent)
	if number, ok := f.dirNumber(path); ok {
		f.tree.addDir(path, number)
	}
}

// makeWay removes the directories that are where a file comes, and the files in them. The
// index has none there any more. That it says so only later is no contradiction: one that
// was deleted twice is told of the second time.
func (f *FS) makeWay(path string) error {
	files, dirs := f.tree.below(path)
	f.removeShown(files...)
	for _, dir := range dirs {
		if err := f.changeDir(doRmdir, dir); err != nil && f.tree.has(dir) { // not removed by its user just now
			return err
		}
	}
	return nil
}

// makeWayForDir removes the file that is where a directory comes, likewise.
func (f *FS) makeWayForDir(path string) {
	name, err := trust.ParseName(path)
	if err != nil {
		return
	}
	if e, ok := f.tree.shown(name); ok {
		f.removeShown(e)
	}
}

// removeShown deletes files ahead of the changes that say so.
func (f *FS) removeShown(files ...index.Entry) {
	r := round{fs: f}
	for _, e := range files {
		r.add(index.Entry{Name: e.Name, Seq: e.Seq + 1})
	}
	r.finish()
}

// below returns the files and directories that a directory contains, itself included,
// children first.
func (t *tree) below(path string) (files []index.Entry, dirs []string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if d := t.byPath[path]; d != nil {
		files, dirs = d.below()
	}
	return files, dirs
}

func (d *dir) below() (files []index.Entry, dirs []string) {
	for _, c := range d.children {
		if !c.isDir() {
			files = append(files, c.entry)
			continue
		}
		f, below := c.dir.below()
		files, dirs = append(files, f...), append(dirs, below...)
	}
	return files, append(dirs, d.path)
}
