package fs

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"dmfs/index"
)

// deliveryTimeout bounds how long a close waits for the mount to show what is on
// disk already. A delivery takes well under a millisecond; only a kernel that is
// stuck elsewhere in this mount takes longer.
const deliveryTimeout = 10 * time.Second

// progress is how far the follower has come.
type progress struct {
	mu   sync.Mutex
	seq  uint64
	news chan struct{} // closed when seq moves
}

func newProgress(seq uint64) *progress {
	return &progress{seq: seq, news: make(chan struct{})}
}

func (p *progress) reach(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq = max(p.seq, seq)
	close(p.news)
	p.news = make(chan struct{})
}

func (p *progress) get() (uint64, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seq, p.news
}

// delivered waits until the mount shows a change.
func (f *FS) delivered(seq uint64) error {
	timeout := time.NewTimer(deliveryTimeout)
	defer timeout.Stop()
	for {
		at, news := f.progress.get()
		if at >= seq {
			return nil
		}
		select {
		case <-news:
		case <-f.ended:
			return syscall.ENOTCONN
		case <-timeout.C:
			return fmt.Errorf("change %d is on disk but not shown after %v", seq, deliveryTimeout)
		}
	}
}

// follow hands the changes of the index to the courier until the context ends.
func (f *FS) follow(ctx context.Context, after uint64, tasks chan<- task) {
	err := f.index.Follow(ctx, after, func(ctx context.Context, changes []index.Entry) error {
		return send(ctx, tasks, func() { f.deliverAll(changes) })
	})
	if !errors.Is(err, context.Canceled) {
		f.log.Error("following the index ended", "err", err)
	}
}

// A task is something that is done through our own mount.
type task func()

// courier does all that we do through our own mount, one task after the other
// and from one thread, by which the server knows it.
func (f *FS) courier(ctx context.Context, tasks <-chan task) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(f.followed)
	for {
		select {
		case do := <-tasks:
			do()
		case <-ctx.Done():
			return
		}
	}
}

func send(ctx context.Context, tasks chan<- task, t task) error {
	select {
	case tasks <- t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *FS) deliverAll(changes []index.Entry) {
	for _, e := range changes {
		f.renames.wait(e.Name)
		f.deliver(e)
		f.progress.reach(e.Seq)
		f.index.Delivered(e.Seq)
	}
}

// deliver makes one change visible. When the kernel refuses, the change is
// shown all the same, without an event, since readers matter more than watchers.
func (f *FS) deliver(e index.Entry) {
	old, was := f.tree.shown(e.Name)
	var err error
	switch {
	case was && old.Seq >= e.Seq:
		return
	case !e.Shown && !was:
		return
	case !e.Shown:
		err = f.remove(e)
	case was && old.Inode == e.Inode:
		f.tree.show(e) // the same content signed anew wakes nobody
	default:
		err = f.replace(e)
	}
	if err != nil {
		f.log.Warn("delivered without an event", "name", e.Name, "seq", e.Seq, "err", err)
		f.force(e)
	}
}

// replace renames the staged version onto its name.
func (f *FS) replace(e index.Entry) error {
	root, err := f.openRoot()
	if err != nil {
		return err
	}
	defer unix.Close(root)
	if err := f.ensureDir(root, e.Name.Dir()); err != nil {
		return err
	}
	token := f.staged.stage(uint32(unix.Gettid()), e)
	return retry(func() error { return unix.Renameat(root, pagesDir+"/"+token, root, e.Name.String()) })
}

func (f *FS) remove(e index.Entry) error {
	root, err := f.openRoot()
	if err != nil {
		return err
	}
	defer unix.Close(root)
	f.staged.announce(uint32(unix.Gettid()), e.Name.String())
	return retry(func() error { return unix.Unlinkat(root, e.Name.String(), 0) })
}

// ensureDir makes the directories above a name visible, parents first.
func (f *FS) ensureDir(root int, path string) error {
	if path == "" || f.tree.has(path) {
		return nil
	}
	parent, _ := splitPath(path)
	if err := f.ensureDir(root, parent); err != nil {
		return err
	}
	f.staged.announce(uint32(unix.Gettid()), path)
	return retry(func() error { return unix.Mkdirat(root, path, 0o755) })
}

// Refresh makes the directories those of the policy in force, after the names
// that it brought or took. It is called after the index got another policy.
func (f *FS) Refresh(ctx context.Context) error {
	if err := f.delivered(f.index.Seq()); err != nil {
		return err
	}
	done := make(chan error, 1)
	if err := send(ctx, f.tasks, func() { done <- f.arrangeDirs() }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrangeDirs makes what is missing, parents first, and removes what nobody
// needs any more, children first.
func (f *FS) arrangeDirs() error {
	root, err := f.openRoot()
	if err != nil {
		return err
	}
	defer unix.Close(root)
	wanted := f.index.Policy().Dirs()
	for _, path := range wanted {
		err = errors.Join(err, f.ensureDir(root, path))
	}
	for _, path := range f.tree.emptyDirs(wanted) {
		f.staged.announce(uint32(unix.Gettid()), path)
		err = errors.Join(err, retry(func() error { return unix.Unlinkat(root, path, unix.AT_REMOVEDIR) }))
	}
	return err
}

// openRoot opens the root of our own mount and of nothing else that may have
// come into its place. Path descriptors are invisible to the server; it must be closed before the
// next request is waited for.
func (f *FS) openRoot() (int, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(f.mountpoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
		return err
	})
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != f.device {
		unix.Close(fd)
		return -1, errors.Join(err, fmt.Errorf("%s is not our mount any more", f.mountpoint))
	}
	return fd, nil
}

// retry repeats a call that a signal interrupted; the Go runtime sends them to
// its own threads.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// force shows a change without a request through the mount.
func (f *FS) force(e index.Entry) {
	if e.Shown {
		f.tree.show(e)
	} else {
		f.tree.hide(e.Name)
	}
	if dir, ok := f.tree.node(e.Name.Dir()); ok {
		f.kernel.EntryNotify(dir, e.Name.Base())
	}
}

// renameStaged is the kernel's side of a delivery.
func (f *FS) renameStaged(in *fuse.RenameIn, from, to string) error {
	dir, ok := f.tree.path(in.Newdir)
	e, staged := f.staged.rename(from, in.Pid)
	if !ok || !staged || joinPath(dir, to) != e.Name.String() {
		return ErrUnsigned
	}
	f.tree.show(e)
	return nil
}
