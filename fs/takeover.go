package fs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dmfs/index"
)

// memory is what a successor must know of a live mount, in a file of the state
// directory. The index has the rest.
type memory struct {
	Mountpoint string `json:"mountpoint"`
	Device     uint64 `json:"device"` // st_dev
	Init       []byte `json:"init"`   // the kernel's INIT request
	Secret     secret `json:"secret"`
}

const memoryFile = "mount.json"

// Device returns the descriptor of the connection to the kernel, to be kept
// open by somebody who hands it to a successor, and whether a successor can take the
// mount over.
func (f *FS) Device() (descriptor int, durable bool) {
	return f.line.device, f.line.durable() && f.stateDir != ""
}

// Detach stops to deliver and to answer, and leaves the mount with its readers
// waiting for a successor that has the descriptor. After it the index may be
// closed.
func (f *FS) Detach() (err error) {
	f.unmount.Do(func() {
		f.stop()
		<-f.followed
		f.courier.stop()
		f.drafts.stop()
		f.dirs.stop()
		err = f.line.silence()
	})
	return err
}

func (f *FS) remember() error {
	if f.stateDir == "" {
		return nil
	}
	text, err := json.Marshal(memory{f.mountpoint, f.device, f.line.init, f.secret})
	if err != nil {
		return err
	}
	path := filepath.Join(f.stateDir, memoryFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// forget removes the memory of a mount that is no more.
func forget(stateDir string) error {
	if stateDir == "" {
		return nil
	}
	err := os.Remove(filepath.Join(stateDir, memoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// takeOver serves a live mount that an earlier process left. It returns nil
// without an error when there is none that can be taken over.
func takeOver(o Options, ix *index.Index) (*FS, error) {
	if o.Device == 0 {
		return nil, nil
	}
	m, err := recall(o)
	if err != nil {
		unix.Close(o.Device)
		if o.Log != nil {
			o.Log.Warn("the live mount cannot be taken over", "err", err)
		}
		return nil, discard(o.Mountpoint)
	}
	f := newFS(o, m.Mountpoint, ix)
	f.device, f.secret = m.Device, m.Secret
	f.line = &connection{device: o.Device, init: m.Init}
	seq := ix.LastDelivered()
	f.load(seq)
	f.pinOpen()
	if err := f.courier.start(); err != nil {
		return nil, err
	}
	if err := errors.Join(f.serve(false), f.line.resend()); err != nil {
		f.courier.stop()
		return nil, fmt.Errorf("take over %s: %w", m.Mountpoint, err)
	}
	f.start(seq)
	return f, nil
}

// recall reads the memory and checks that it is of the mount that is wanted and
// still there.
func recall(o Options) (memory, error) {
	var m memory
	text, err := os.ReadFile(filepath.Join(o.StateDir, memoryFile))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, err
	}
	wanted, err := resolve(o.Mountpoint)
	if err != nil {
		return m, err
	}
	mounted, err := mountedDevice(m.Mountpoint)
	switch {
	case err != nil:
		return m, err
	case wanted != m.Mountpoint || mounted != m.Device:
		return m, fmt.Errorf("it is not the mount on %s any more", wanted)
	case !(&connection{init: m.Init}).durable():
		return m, errors.New("this kernel does not send unanswered requests again (Linux 6.9 does)")
	}
	return m, nil
}

// discard takes away what is mounted by a dmfs that has gone but whose
// connection we were keeping.
func discard(mountpoint string) error {
	if _, err := mountedDevice(mountpoint); err != nil {
		return nil // nothing of ours is there
	}
	return unmount(mountpoint)
}

// pinOpen keeps the versions that processes have open from the time before, so
// that they can go on reading. It looks through /proc once; without the right
// to see other users' processes it finds its own user's.
func (f *FS) pinOpen() {
	found := map[uint64]bool{}
	for _, pattern := range []string{"/proc/[0-9]*/fd/*", "/proc/[0-9]*/map_files/*"} {
		paths, _ := filepath.Glob(pattern) // the pattern is well-formed
		for _, path := range paths {
			if node, ok := f.nodeBehind(path); ok {
				found[node] = true
			}
		}
	}
	for node := range found {
		if kind, number, ok := split(node); ok && kind.isFile() {
			f.index.Pin(number)
		}
	}
}

// nodeBehind returns the node of an open file if it is in our mount, without
// asking the file system, which cannot answer yet.
func (f *FS) nodeBehind(path string) (uint64, bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st)
	if err != nil || unix.Mkdev(st.Dev_major, st.Dev_minor) != f.device {
		return 0, false
	}
	return st.Ino, true
}
