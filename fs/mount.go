package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"dmfs/index"
)

// Options say where and how to mount.
type Options struct {
	// Mountpoint is a directory, made if it is missing. It must be empty and
	// nothing may be mounted on it but a dead dmfs, which is taken away.
	Mountpoint string
	// AllowOther lets users other than the mounting one use the mount.
	AllowOther bool
	// StateDir is the directory whose file system statfs(2) reports.
	StateDir string
	// Pages are the files of the hidden directory .dmfs, by name. Each is
	// rendered when it is opened, possibly by several goroutines at once.
	Pages map[string]func() ([]byte, error)
	// Log gets refusals at Info and trouble at Warn; nil is silence.
	Log *slog.Logger
}

// FS is a mounted file system.
type FS struct {
	index      *index.Index
	mountpoint string
	device     uint64 // st_dev of the mount
	stateDir   string
	owner      fuse.Owner
	started    time.Time
	epoch      uint64
	log        *slog.Logger

	tree     *tree
	drafts   *drafts
	pages    *pages
	staged   *staged
	renames  *renames
	progress *progress

	kernel   *fuse.Server
	stop     context.CancelFunc
	followed chan struct{} // closed when the follower has ended
	ended    chan struct{} // closed when the kernel has ended the connection
	unmount  sync.Once
}

// Mount mounts the index and returns when the mount answers. The caller calls
// Unmount in the end, also after Done.
func Mount(o Options, ix *index.Index) (*FS, error) {
	mountpoint, err := prepare(o.Mountpoint)
	if err != nil {
		return nil, err
	}
	f := newFS(o, mountpoint, ix)
	seq := f.load()
	f.progress = newProgress(seq)
	if err := f.attach(o.AllowOther); err != nil {
		return nil, fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go f.follow(ctx, seq)
	return f, nil
}

func newFS(o Options, mountpoint string, ix *index.Index) *FS {
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return &FS{
		index: ix, mountpoint: mountpoint, stateDir: o.StateDir, log: o.Log,
		owner:   fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())},
		started: time.Now(), epoch: newEpoch(),
		tree: newTree(), drafts: newDrafts(), pages: newPages(o.Pages),
		staged: &staged{}, renames: newRenames(),
		followed: make(chan struct{}), ended: make(chan struct{}),
	}
}

// load shows all that the index holds and returns the newest change in it.
func (f *FS) load() uint64 {
	seq := f.index.Seq()
	numbers := f.index.Dirs()
	for _, path := range f.index.Policy().Dirs() { // parents first
		f.tree.addDir(path, numbers[path])
	}
	for _, e := range f.index.Entries() {
		if e.Shown {
			f.tree.show(e)
		}
	}
	return seq
}

// attach mounts and starts to serve.
func (f *FS) attach(allowOther bool) error {
	device, err := mountDevice(f.mountpoint, allowOther)
	if err != nil {
		return err
	}
	kernel, err := serve(server{fuse.NewDefaultRawFileSystem(), f}, device)
	if err != nil {
		unix.Close(device)
		return errors.Join(err, unmount(f.mountpoint))
	}
	go kernel.Serve()
	return f.identify()
}

// identify learns the mount's device number, which also proves that it answers.
func (f *FS) identify() error {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Stat(f.mountpoint, &st) }); err != nil {
		return errors.Join(err, unmount(f.mountpoint))
	}
	f.device = st.Dev
	return nil
}

// Done is closed when the kernel has ended the mount, by Unmount or by somebody
// else's umount.
func (f *FS) Done() <-chan struct{} { return f.ended }

// Mountpoint returns the absolute path of the mount.
func (f *FS) Mountpoint() string { return f.mountpoint }

// Unmount ends delivery and takes the mount away, lazily when a file in it is open. Files that are open
// then can be read until this process ends.
func (f *FS) Unmount() (err error) {
	f.unmount.Do(func() {
		f.stop()
		<-f.followed
		f.drafts.stop()
		err = unmount(f.mountpoint)
	})
	return err
}
