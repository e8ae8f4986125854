//go:build linux

package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// lookAgain is when to look though no bell has rung: a member is listed until its certificate ends, which is
// nobody's doing.
const lookAgain = time.Minute

// A bell rings when one of some pages of a mount may be another one, and when another mount may be there.
type bell struct {
	pages   []string        // their paths
	mounts  <-chan struct{} // something was mounted or unmounted on this machine
	watcher *fsnotify.Watcher
	mount   uint64 // that is watched; 0: this kernel cannot tell it from later ones
}

// newBell is one for pages that the node touches.
func newBell(dir string, pages ...string) (*bell, error) {
	b := &bell{}
	for _, page := range pages {
		b.pages = append(b.pages, filepath.Join(dir, ".dmfs", page))
	}
	var err error
	b.mounts, err = mountTable()
	return b, err
}

// attach watches the mount that is there now, and reports whether there is one.
func (b *bell) attach() (there bool, err error) {
	b.close()
	if b.watcher, err = fsnotify.NewWatcher(); err != nil {
		return false, fail(exitFailed, "raise fs.inotify.max_user_instances with sysctl", "cannot watch the mount: %w", err)
	}
	b.mount = mountOf(b.pages[0])
	for _, page := range b.pages {
		switch err := b.watcher.Add(page); {
		case errors.Is(err, unix.ENOSPC):
			return false, fail(exitFailed, "raise fs.inotify.max_user_watches with sysctl", "cannot watch the mount: %w", err)
		case err != nil:
			return false, nil
		}
	}
	return true, nil
}

// until asks done, and again whenever one of these pages of the mount may be another one. It returns when that
// says yes or fails, or with the error of ctx.
func (m *mounted) until(ctx context.Context, done func() (bool, error), pages ...string) error {
	b, err := newBell(m.dir, pages...)
	if err != nil {
		return err
	}
	defer b.close()
	for same := false; ; {
		if !same {
			if _, err := b.attach(); err != nil {
				return err // without a mount, another one rings
			}
		}
		if yes, err := done(); yes || err != nil {
			return err
		}
		look, cancel := context.WithTimeout(ctx, lookAgain)
		same = b.wait(look)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (b *bell) close() {
	if b.watcher != nil {
		_ = b.watcher.Close() //nolint:errcheck // it only watched
	}
}

// wait returns at the next ring, or when ctx ends. It says whether the same mount is still there: one that
// was taken away says nothing more.
func (b *bell) wait(ctx context.Context) (same bool) {
	for {
		select {
		case <-b.watcher.Events:
			return true
		case <-b.watcher.Errors: //nolint:errcheck // events were lost, so there may be one
			return true
		case <-b.mounts:
			if mount := mountOf(b.pages[0]); mount == 0 || mount != b.mount {
				return false
			}
		case <-ctx.Done():
			return true
		}
	}
}

// await returns when something was mounted, or ctx ends.
func (b *bell) await(ctx context.Context) {
	select {
	case <-b.mounts:
	case <-ctx.Done():
	}
}

// mountOf returns what no other mount of this machine has had or will have (Linux 6.8), or 0. Device
// numbers are used again, at once.
func mountOf(path string) uint64 {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID_UNIQUE, &st)
	if err != nil || st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return 0
	}
	return st.Mnt_id
}

// mountTable has a note whenever the table of mounts has changed, until the program ends.
func mountTable() (<-chan struct{}, error) {
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	notes := make(chan struct{}, 1)
	go func() {
		for poll := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}}; ; {
			if _, err := unix.Poll(poll, -1); err != nil && err != unix.EINTR {
				return
			}
			select {
			case notes <- struct{}{}:
			default:
			}
		}
	}()
	return notes, nil
}
