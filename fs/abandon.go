package fs

import (
	"slices"
	"time"
)

// abandoned returns those that have not been used for as long as a half waits,
// children first. A half below one that waits or is open uses it.
func (s *draftDirs) abandoned() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, at := range s.drafts.uses() {
		s.touch(path, at)
	}
	for path, d := range s.byPath {
		if time.Since(d.used) > s.drafts.limit.age {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	return paths
}

// schedule makes sure that they are looked at again while there are any. It needs
// the lock.
func (s *draftDirs) schedule() {
	if s.timer == nil && !s.stopped && len(s.byPath) > 0 {
		s.timer = time.AfterFunc(min(s.drafts.limit.age/4, longestSweep), s.sweep)
	}
}

func (s *draftDirs) sweep() {
	if len(s.abandoned()) > 0 {
		s.expire()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	s.schedule()
}

// stop ends the timer for good.
func (s *draftDirs) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// expireDirs has the courier remove the directories that are abandoned, with the kernel's own
// events. It returns when the courier begins.
func (f *FS) expireDirs() {
	select {
	case f.tasks <- f.removeAbandoned:
	case <-f.followed:
	}
}

func (f *FS) removeAbandoned() {
	for _, path := range f.dirs.abandoned() {
		if err := f.changeDir(doRmdir, path); err != nil && f.tree.has(path) { // something is mounted on it, say
			f.log.Warn("an abandoned directory stays", "name", path, "err", err)
			f.dirs.use(joinPath(path, "x"))
		}
	}
}
