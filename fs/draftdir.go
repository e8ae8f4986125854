package fs

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"dmfs/trust"
)

// draftDirs are the directories that users made for files to come. They are in the
// tree like all others. While they are here too they count as their users' drafts, may be
// removed, and go when nobody uses them.
type draftDirs struct {
	tree   *tree
	drafts *drafts
	expire func() // has those removed that are abandoned

	mu      sync.Mutex // comes before those of the tree and of the drafts
	byPath  map[string]*draftDir
	timer   *time.Timer // runs while there are any
	stopped bool
}

type draftDir struct {
	uid  uint32
	used time.Time // when it was made, or a half below it last was
}

func newDraftDirs(t *tree, d *drafts, expire func()) *draftDirs {
	return &draftDirs{tree: t, drafts: d, expire: expire, byPath: map[string]*draftDir{}}
}

// add shows a directory.
func (s *draftDirs) add(path string, number uint64, uid uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.drafts.bookDir(uid); err != nil {
		return err
	}
	if !s.tree.addDir(path, number) {
		s.drafts.unbookDir(uid)
		return syscall.ESTALE // what is above it has just gone
	}
	s.byPath[path] = &draftDir{uid: uid, used: time.Now()}
	s.touch(path, time.Now())
	s.schedule()
	return nil
}

// adopt makes a directory and those above it ones that a record needs, which their users
// cannot remove any more, and reports whether it is shown.
func (s *draftDirs) adopt(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.tree.has(path)
	for ; path != "" && len(s.byPath) > 0; path, _ = splitPath(path) {
		s.forget(path)
	}
	return shown
}

// remove takes an empty directory away: for a user a draft only.
func (s *draftDirs) remove(path string, user bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case user && !s.tree.has(path):
		return syscall.ENOENT // the kernel knows it from an earlier process
	case user && s.byPath[path] == nil:
		return ErrUnsigned
	case !s.tree.removeDir(path):
		return syscall.ENOTEMPTY
	case user:
		s.touch(path, time.Now())
	}
	s.forget(path)
	return nil
}

// drop forgets what was where a file is now, without a request through the mount.
func (s *draftDirs) drop(file string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.byPath {
		if path == file || strings.HasPrefix(path, file+"/") {
			s.forget(path)
		}
	}
}

// use takes note that somebody makes path.
func (s *draftDirs) use(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touch(path, time.Now())
}

// touch and forget need the lock. The former is about what is above path.
func (s *draftDirs) touch(path string, at time.Time) {
	for len(s.byPath) > 0 && path != "" {
		path, _ = splitPath(path)
		if d := s.byPath[path]; d != nil && d.used.Before(at) {
			d.used = at
		}
	}
}

func (s *draftDirs) forget(path string) {
	if d := s.byPath[path]; d != nil {
		delete(s.byPath, path)
		s.drafts.unbookDir(d.uid)
	}
}

// paths returns where they are.
func (s *draftDirs) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.byPath))
}

// mkdir serves the courier, and users where a member's files may come.
func (f *FS) mkdir(in *fuse.MkdirIn, base string, out *fuse.EntryOut) error {
	parent, ok := f.tree.path(in.NodeId)
	path := joinPath(parent, base)
	_, announced := f.staged.take(path, in.Pid)
	switch {
	case ok && announced:
		f.placeDir(path)
	case ok && !f.isMembers(path):
		return ErrUnsigned
	default:
		if err := f.makeDraftDir(in, base); err != nil {
			return err
		}
	}
	node, ok := f.tree.node(path)
	if !ok {
		return syscall.ENOENT
	}
	return f.entry(node, forever, out)
}

// makeDraftDir checks what a user asks for, as create does.
func (f *FS) makeDraftDir(in *fuse.MkdirIn, base string) error {
	path, err := f.writable(&in.InHeader, base)
	if err == nil {
		err = f.vacant(path)
	}
	if err != nil {
		return err
	}
	err = f.dirs.add(path, f.secret.number(path), in.Uid)
	if errors.Is(err, ErrQuota) {
		f.refuse(path, &draft{uid: in.Uid, process: processOf(in.Pid)}, err)
	}
	return err
}

// vacant reports why a directory cannot be at a path: it is there, or a file is or
// will be with the next delivery.
func (f *FS) vacant(path string) error {
	if f.tree.has(path) {
		return syscall.EEXIST
	}
	code := syscall.EEXIST
	for ; path != ""; path, _ = splitPath(path) {
		name, err := trust.ParseName(path)
		if err != nil {
			return err
		}
		if e, ok := f.index.Get(name); ok && e.Shown {
			return code
		}
		code = syscall.ENOTDIR
	}
	return nil
}

// rmdir serves the courier, and users who made the directory in vain. Halves that wait
// below it go on waiting: they are found by their paths.
func (f *FS) rmdir(h *fuse.InHeader, base string) error {
	parent, ok := f.tree.path(h.NodeId)
	if !ok {
		return ErrUnsigned
	}
	path := joinPath(parent, base)
	if _, announced := f.staged.take(path, h.Pid); announced {
		return f.dirs.remove(path, false)
	}
	if !f.isMembers(path) {
		return ErrUnsigned
	}
	return f.dirs.remove(path, true)
}
