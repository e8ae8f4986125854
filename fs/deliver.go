package fs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"dmfs/index"
	"dmfs/trust"
)

// deliveryTimeout bounds how long a close waits for the mount to show what is on
// disk already. A delivery takes well under a millisecond; only a kernel that is
// stuck elsewhere in this mount takes longer.
const deliveryTimeout = 10 * time.Second

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
		case <-f.followed: // nothing will be shown any more, but this mount may stay while a file is open
			return syscall.ENOTCONN
		case <-timeout.C:
			return fmt.Errorf("change %d is on disk but not shown after %v", seq, deliveryTimeout)
		}
	}
}

// follow hands the changes of the index over to be carried until the context ends.
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

// carry does all tasks, one after the other.
func (f *FS) carry(ctx context.Context, tasks <-chan task) {
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

// deliverAll makes changes visible, in their order.
func (f *FS) deliverAll(changes []index.Entry) {
	r := round{fs: f}
	for _, e := range changes {
		f.renames.wait(e.Name)
		f.deliver(&r, e)
		if r.isEmpty() {
			f.reach(e.Seq)
		}
	}
	r.finish()
	seq := changes[len(changes)-1].Seq
	f.reach(seq)
	f.tell(seq, changes)
}

// reach notes that all changes up to seq are shown.
func (f *FS) reach(seq uint64) {
	f.progress.reach(seq)
	f.index.Delivered(seq)
}

// deliver makes one change visible, at once or with the round. When the kernel refuses, the
// change is shown all the same, without an event, since readers matter more than watchers.
func (f *FS) deliver(r *round, e index.Entry) {
	old, was := f.tree.shown(e.Name)
	switch {
	case f.shows(e.Name, e.Seq), !e.Shown && !was, e.Shown && !f.keeper.hold(e):
	case e.Shown && was && old.Inode == e.Inode:
		f.show(e) // the same content signed anew wakes nobody
	case e.Shown && (f.tree.has(e.Name.String()) || !f.dirs.adopt(e.Name.Dir())):
		r.finish() // a file before it may be in the way of a directory, or a directory's last one
		if err := errors.Join(f.makeWay(e.Name.String()), f.ensureDir(e.Name.Dir())); err != nil {
			f.conclude(e, err)
			return
		}
		r.add(e)
	default:
		r.add(e)
	}
}

// conclude makes sure that a change is shown whatever came of the request, and
// that what is not shown is not held.
func (f *FS) conclude(e index.Entry, err error) {
	now, is := f.tree.shown(e.Name)
	switch {
	case e.Shown && is && now.Seq == e.Seq, !e.Shown && !is:
		return
	case is && now.Seq > e.Seq: // a writer's rename overtook us
		if e.Shown {
			f.keeper.release(e)
		}
		return
	case err != nil:
		f.log.Warn("delivered without an event", "name", e.Name, "seq", e.Seq, "err", err)
	}
	f.force(e) // without an error the kernel has it from an earlier process, so it had nothing to ask
}

// shows reports whether the mount shows a change of a name or a later one.
func (f *FS) shows(n trust.Name, seq uint64) bool {
	e, ok := f.tree.shown(n)
	return ok && e.Seq >= seq
}

// errOvertaken answers a delivery that comes after a writer's own rename showed
// a later change: while the kernel held our rename back, that one went first.
var errOvertaken = syscall.ECANCELED

// changeDir has a directory made or removed.
func (f *FS) changeDir(do, path string) error {
	errnos, err := f.courier.run(func(thread uint32) order {
		f.staged.begin(thread)
		f.staged.announce(path, 0)
		return f.order(errand{Do: do, Path: path})
	})
	if err != nil {
		return err
	}
	return orNil(errnos[0])
}

func (f *FS) order(errands ...errand) order {
	return order{Mount: f.mountpoint, Device: f.device, Errands: errands}
}

// ensureDir makes the directories above a name visible, parents first.
func (f *FS) ensureDir(path string) error {
	if path == "" || f.dirs.adopt(path) {
		return nil
	}
	parent, _ := splitPath(path)
	if err := f.ensureDir(parent); err != nil {
		return err
	}
	f.makeWayForDir(path)
	err := f.changeDir(doMkdir, path)
	if errors.Is(err, syscall.EEXIST) { // a user was faster, or the kernel has it from an earlier process
		f.placeDir(path)
		err = nil
	}
	f.dirs.adopt(path)
	return err
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
func (f *FS) arrangeDirs() (err error) {
	wanted := f.standing()
	for _, path := range wanted {
		err = errors.Join(err, f.ensureDir(path))
	}
	for _, path := range f.dirs.paths() {
		if f.isMembers(path) {
			wanted = append(wanted, path)
		}
	}
	for _, path := range f.tree.emptyDirs(wanted) {
		if e := f.changeDir(doRmdir, path); !errors.Is(e, syscall.ENOTEMPTY) { // a user made one in it just now
			err = errors.Join(err, e)
		}
	}
	return err
}

// standing returns the directories that are shown whatever is in them, parents
// first: those of the policy and of links.
func (f *FS) standing() []string {
	p := f.index.Policy()
	dirs := slices.Clip(p.Dirs())
	for _, namespace := range p.Namespaces() {
		dirs = append(dirs, joinPath(namespace, index.ByName))
	}
	return dirs
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

func (f *FS) hide(n trust.Name) {
	if old, was := f.tree.hide(n); was {
		f.keeper.retire(old)
	}
}

// force shows a change, which is held, without a request through the mount.
func (f *FS) force(e index.Entry) {
	if e.Shown {
		f.placeDir(e.Name.Dir())
		f.show(e)
	} else {
		f.hide(e.Name)
	}
	if dir, ok := f.tree.node(e.Name.Dir()); ok {
		f.kernel.EntryNotify(dir, e.Name.Base())
	}
}

// renameStaged is the kernel's side of a delivery.
func (f *FS) renameStaged(in *fuse.RenameIn, from, to string) error {
	dir, ok := f.tree.path(in.Newdir)
	e, staged := f.staged.rename(from, in.Pid)
	switch {
	case !ok || !staged || joinPath(dir, to) != e.Name.String():
		return ErrUnsigned
	case f.shows(e.Name, e.Seq):
		return errOvertaken
	}
	f.show(e)
	return nil
}
