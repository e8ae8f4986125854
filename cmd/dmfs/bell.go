//go:build linux

package main

import (
	"context"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// A bell rings when the events page of a mount may be another one, and when another mount may be there.
type bell struct {
	page    string
	mounts  <-chan struct{} // something was mounted or unmounted on this machine
	watcher *fsnotify.Watcher
	mount   uint64 // that is watched; 0: this kernel cannot tell it from later ones
}

func newBell(dir string) (*bell, error) {
	mounts, err := mountTable()
	return &bell{page: filepath.Join(dir, ".dmfs", eventsPage), mounts: mounts}, err
}

// attach watches the mount that is there now; an error says that there is none.
func (b *bell) attach() error {
	b.close()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	b.watcher = w
	b.mount = mountOf(b.page)
	return w.Add(b.page)
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
			if mount := mountOf(b.page); mount == 0 || mount != b.mount {
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
