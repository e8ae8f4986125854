package fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	// AllowOther lets users other than the mounting one use the mount, as far as
	// Owner and the modes let them.
	AllowOther bool
	// UID and GID own all files and directories.
	UID, GID uint32
	// DirMode and FileMode are the permissions that are shown and that the kernel
	// enforces; 0 stands for 0755 and 0444. Who may write to a file or in a
	// directory may propose records; what is accepted is decided by the signature alone.
	DirMode, FileMode uint32
	// ReadOnly refuses drafts with EROFS.
	ReadOnly bool
	// MaxDrafts and MaxDraftBytes bound what the drafts of one user may take, in
	// memory, draft directories included; what is over it gets EDQUOT. 0 stands for 1024 and 128 MiB.
	MaxDrafts, MaxDraftBytes int
	// DraftAge is how long a half waits for the other one after its last write or
	// close, and a draft directory for a half. What is open stays. 0 stands for 10 minutes.
	DraftAge time.Duration
	// StateDir is the directory whose file system statfs(2) reports; if it is
	// empty, the mountpoint's parent.
	StateDir string
	// Device is the descriptor of a live mount on Mountpoint that an earlier
	// process left (see FS.Detach), or 0. It is taken over if it can be; else it is closed and the
	// mount made anew.
	Device int
	// Pages are the files of the hidden directory .dmfs, at most 96. Their order is that of earlier programs
	// that may have left the mount, new ones at the end: the kernel knows them by it.
	Pages []Page
	// Shown is told that the mount shows all changes up to seq: when it starts, without changes, and
	// then with those that were made visible since, in their order. It must return soon and not use the
	// mount. nil is nobody.
	Shown func(seq uint64, changes []index.Entry)
	// Log gets refusals at Info, a hundred a minute of each user, and trouble at Warn; nil is silence.
	Log *slog.Logger
}

// FS is a mounted file system.
type FS struct {
	index      *index.Index
	mountpoint string
	device     uint64 // st_dev of the mount
	stateDir   string
	owner      fuse.Owner
	dirMode    uint32
	fileMode   uint32
	readOnly   bool
	started    time.Time
	epoch      uint64
	secret     secret
	log        *slog.Logger
	tell       func(seq uint64, changes []index.Entry) // Options.Shown

	tree     *tree
	drafts   *drafts
	dirs     *draftDirs
	keeper   *keeper
	pages    *pages
	paths    *paths
	proofs   *proofs
	links    *links
	staged   *staged
	renames  *renames
	progress *progress
	touches  *touches
	requests tally
	budget   budget

	kernel   *fuse.Server
	line     *connection
	courier  *courier
	tasks    chan task
	stop     context.CancelFunc
	followed chan struct{} // closed when nothing is delivered any more
	ended    chan struct{} // closed when the kernel has ended the connection
	unmount  sync.Once
}

// Mount mounts the index, or takes a live mount over, and returns when the mount answers. The caller calls
// Unmount or Detach in the end, also after Done.
func Mount(o Options, ix *index.Index) (*FS, error) {
	f, err := takeOver(o, ix)
	if f != nil || err != nil {
		return f, err
	}
	mountpoint, err := prepare(o.Mountpoint)
	if err != nil {
		return nil, err
	}
	f = newFS(o, mountpoint, ix)
	seq := ix.Seq()
	f.load(seq)
	if err := f.courier.start(); err != nil { // before the mount: nobody may wait for us while we fork
		return nil, err
	}
	if err := f.attach(o.AllowOther); err != nil {
		f.courier.stop()
		return nil, fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	f.start(seq)
	return f, nil
}

// start delivers what comes after seq.
func (f *FS) start(seq uint64) {
	f.index.Delivered(seq)
	f.tell(seq, nil)
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	go f.follow(ctx, seq, f.tasks)
	go f.carry(ctx, f.tasks)
	go f.touchWanted(ctx)
}

func newFS(o Options, mountpoint string, ix *index.Index) *FS {
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Shown == nil {
		o.Shown = func(uint64, []index.Entry) {}
	}
	f := &FS{
		index: ix, mountpoint: mountpoint, stateDir: o.StateDir, log: o.Log, tell: o.Shown,
		owner:   fuse.Owner{Uid: o.UID, Gid: o.GID},
		dirMode: cmp.Or(o.DirMode, 0o755), fileMode: cmp.Or(o.FileMode, 0o444), readOnly: o.ReadOnly,
		started: time.Now(), epoch: newEpoch(), secret: newSecret(),
		tree: newTree(), keeper: &keeper{index: ix}, pages: newPages(o.Pages), paths: &paths{index: ix}, proofs: &proofs{}, links: &links{},
		staged: &staged{}, renames: newRenames(), touches: newTouches(),
		courier: newCourier(), tasks: make(chan task), followed: make(chan struct{}), ended: make(chan struct{}),
	}
	f.drafts = newDrafts(bounds{o.MaxDrafts, o.MaxDraftBytes, o.DraftAge}, f.hopeless, f.missed)
	f.dirs = newDraftDirs(f.tree, f.drafts, f.expireDirs)
	return f
}

// load shows what was shown when all changes up to seq were delivered.
func (f *FS) load(seq uint64) {
	f.progress = newProgress(seq) // a write may be complete before the first delivery
	for _, path := range f.standing() {
		f.placeDir(path)
	}
	for _, e := range f.index.Entries() {
		shown := e.Shown
		if e.Seq > seq {
			e, shown = f.index.ShownAt(e.Name, seq)
		}
		if shown {
			f.placeDir(e.Name.Dir())
			f.showHeld(e)
		}
	}
}

// attach mounts and starts to serve.
func (f *FS) attach(allowOther bool) error {
	device, err := mountDevice(f.mountpoint, allowOther)
	if err != nil {
		return err
	}
	if err := f.serveFirst(device); err != nil {
		unix.Close(device)
		return errors.Join(err, unmount(f.mountpoint))
	}
	return nil
}

// serveFirst answers the kernel on a new connection.
func (f *FS) serveFirst(device int) (err error) {
	if f.line, err = newConnection(device); err != nil {
		return err
	}
	if err := f.serve(true); err != nil {
		return err
	}
	if f.device, err = mountedDevice(f.mountpoint); err != nil {
		return err
	}
	return f.remember()
}

func (f *FS) serve(first bool) error {
	kernel, err := f.line.attach(server{fuse.NewDefaultRawFileSystem(), f}, first)
	if err != nil {
		return err
	}
	go kernel.Serve()
	return nil
}

// Drafts returns how many drafts and draft directories there are, and how many bytes they hold.
func (f *FS) Drafts() (number, bytes int) {
	t := f.drafts.total()
	return t.number, t.bytes
}

// Done is closed when the kernel has ended the connection, by Unmount or by
// somebody else's umount. After Unmount that takes as long as a file is open or
// another mount namespace has a copy of the mount.
func (f *FS) Done() <-chan struct{} { return f.ended }

// Mountpoint returns the absolute path of the mount.
func (f *FS) Mountpoint() string { return f.mountpoint }

// Unmount ends delivery and takes the mount away, lazily when a file in it is open. Files that are open
// then can be read until this process ends.
func (f *FS) Unmount() (err error) {
	f.unmount.Do(func() {
		f.stop()
		<-f.followed
		f.courier.stop()
		f.drafts.stop()
		f.dirs.stop()
		err = errors.Join(unmount(f.mountpoint), forget(f.stateDir))
		unix.Close(f.line.device)
	})
	return err
}
