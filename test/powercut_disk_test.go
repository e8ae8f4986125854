//go:build linux

package test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// disk is a directory's files on a disk whose power can go. It keeps apart what was not synced. This process serves
// it and must not touch it: who uses it is another process.
type disk struct {
	fs.Inode
	dir    string
	dice   *rand.Rand
	server *fuse.Server
	dark   chan struct{} // closed when the power is gone

	mu      sync.Mutex
	left    int // steps until the power goes
	lasting map[string]*diskFile
	renames []func(names map[string]*diskFile) // what was done to names since the directory was synced
}

// A diskFile is the node of one file.
type diskFile struct {
	fs.Inode
	disk    *disk
	data    []byte // what is read
	lasting []byte // as of the last sync
	writes  []write
}

// A write is one that was not synced. Without bytes it sets the length.
type write struct {
	off   int
	bytes []byte
}

const sector = 512

// powerOn mounts a disk over a directory, with that directory's files on it, for so many steps.
func powerOn(t *testing.T, dir string, dice *rand.Rand, steps int) *disk {
	t.Helper()
	d := &disk{dir: dir, dice: dice, dark: make(chan struct{}), left: steps, lasting: map[string]*diskFile{}}
	files, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(d.dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		d.lasting[f.Name()] = &diskFile{disk: d, data: b, lasting: append([]byte(nil), b...)}
	}
	known := time.Hour
	o := fs.Options{EntryTimeout: &known, AttrTimeout: &known, MountOptions: fuse.MountOptions{DirectMount: true, FsName: "disk"}}
	if d.server, err = fs.Mount(d.dir, d, &o); err != nil {
		t.Fatal(err)
	}
	return d
}

// powerOff unmounts the disk, which nobody uses any more, and leaves in the directory what has survived.
func (d *disk) powerOff(t *testing.T) {
	t.Helper()
	if d == nil || d.server == nil {
		return
	}
	if err := d.server.Unmount(); err != nil {
		t.Fatal(err)
	}
	d.server.Wait()
	d.server = nil
	for _, rename := range d.renames[:d.dice.IntN(len(d.renames)+1)] {
		rename(d.lasting)
	}
	files, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(filepath.Join(d.dir, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range d.lasting {
		if err := os.WriteFile(filepath.Join(d.dir, name), f.survive(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// survive returns what is found when the power is back: of what was not synced, any sectors, and some of them half.
func (f *diskFile) survive() []byte {
	d := f.disk.dice
	likely := []float64{0, 0.1, 0.5, 0.9, 1}[d.IntN(5)]
	for _, w := range f.writes {
		f.lasting = w.apply(f.lasting, func(n int) int {
			switch {
			case d.Float64() >= likely:
				return 0
			case likely < 1 && d.IntN(16) == 0:
				return d.IntN(n)
			}
			return n
		})
	}
	return f.lasting
}

// apply writes of each sector as many bytes as most says.
func (w write) apply(b []byte, most func(n int) int) []byte {
	if w.bytes == nil {
		if most(1) == 0 {
			return b
		}
		return extended(b, w.off)[:w.off]
	}
	for from := 0; from < len(w.bytes); {
		n := min(sector-(w.off+from)%sector, len(w.bytes)-from)
		if kept := most(n); kept > 0 {
			b = extended(b, w.off+from+kept)
			copy(b[w.off+from:], w.bytes[from:from+kept])
		}
		from += n
	}
	return b
}

func whole(n int) int { return n }

func extended(b []byte, n int) []byte {
	if n <= len(b) {
		return b
	}
	return append(b, make([]byte, n-len(b))...)
}

// step does something, or, when the power is gone, does not answer until whoever asks is killed.
func (d *disk) step(ctx context.Context, do func()) syscall.Errno {
	d.mu.Lock()
	if d.left > 0 {
		defer d.mu.Unlock()
		if d.left--; d.left == 0 {
			close(d.dark)
		}
		do()
		return 0
	}
	d.mu.Unlock()
	<-ctx.Done()
	return syscall.EIO
}

// rename does something to names, and perhaps again after the power was gone.
func (d *disk) rename(ctx context.Context, do func(names map[string]*diskFile)) syscall.Errno {
	return d.step(ctx, func() { d.renames = append(d.renames, do) })
}

func (d *disk) OnAdd(ctx context.Context) {
	for name, f := range d.lasting {
		d.AddChild(name, d.NewPersistentInode(ctx, f, fs.StableAttr{Mode: fuse.S_IFREG}), true)
	}
}

func (d *disk) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Owner = fuse.S_IFDIR|0o700, *fuse.CurrentOwner()
	return 0
}

func (d *disk) Setattr(ctx context.Context, h fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return d.Getattr(ctx, h, out)
}

func (d *disk) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := &diskFile{disk: d}
	errno := d.rename(ctx, func(names map[string]*diskFile) { names[name] = f })
	f.attributes(&out.Attr)
	return d.NewPersistentInode(ctx, f, fs.StableAttr{Mode: fuse.S_IFREG}), nil, fuse.FOPEN_KEEP_CACHE, errno
}

func (d *disk) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f := target.(*diskFile)
	errno := d.rename(ctx, func(names map[string]*diskFile) { names[name] = f })
	f.attributes(&out.Attr)
	return f.EmbeddedInode(), errno
}

func (d *disk) Rename(ctx context.Context, name string, _ fs.InodeEmbedder, newName string, _ uint32) syscall.Errno {
	return d.rename(ctx, func(names map[string]*diskFile) {
		names[newName] = names[name]
		delete(names, name)
	})
}

func (d *disk) Unlink(ctx context.Context, name string) syscall.Errno {
	return d.rename(ctx, func(names map[string]*diskFile) { delete(names, name) })
}

func (d *disk) Fsync(ctx context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	return d.step(ctx, func() {
		for _, rename := range d.renames {
			rename(d.lasting)
		}
		d.renames = nil
	})
}

func (f *diskFile) attributes(out *fuse.Attr) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	out.Mode, out.Owner, out.Nlink, out.Size = fuse.S_IFREG|0o600, *fuse.CurrentOwner(), 1, uint64(len(f.data))
}

func (f *diskFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.attributes(&out.Attr)
	return 0
}

func (f *diskFile) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n, ok := in.GetSize(); ok {
		if errno := f.write(ctx, write{off: int(n)}); errno != 0 {
			return errno
		}
	}
	return f.Getattr(ctx, h, out)
}

func (f *diskFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read is answered without power, too: a page that cannot be read ends a process by another signal.
func (f *diskFile) Read(_ context.Context, _ fs.FileHandle, into []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n := copy(into, f.data[min(int(off), len(f.data)):])
	return fuse.ReadResultData(into[:n]), 0
}

func (f *diskFile) Write(ctx context.Context, _ fs.FileHandle, b []byte, off int64) (uint32, syscall.Errno) {
	return uint32(len(b)), f.write(ctx, write{int(off), append([]byte{}, b...)})
}

func (f *diskFile) write(ctx context.Context, w write) syscall.Errno {
	return f.disk.step(ctx, func() {
		f.data = w.apply(f.data, whole)
		f.writes = append(f.writes, w)
	})
}

func (f *diskFile) Fsync(ctx context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	return f.disk.step(ctx, func() {
		for _, w := range f.writes {
			f.lasting = w.apply(f.lasting, whole)
		}
		f.writes = nil
	})
}
