package fs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// subtype shows as fuse.dmfs in mount tables.
const subtype = "dmfs"

// Errors of a mountpoint that cannot be used.
var (
	ErrServed   = errors.New("another dmfs serves this mountpoint")
	ErrBusy     = errors.New("another file system is mounted there")
	ErrNotEmpty = errors.New("the mountpoint is not empty")
	ErrNotDir   = errors.New("the mountpoint is not a directory")
)

// prepare makes the mountpoint usable and returns its absolute path: a missing
// one is made, a dead mount of an earlier dmfs is taken away, everything else
// that would be covered is refused.
func prepare(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if target, err := os.Readlink(abs); err == nil {
		return "", fmt.Errorf("%s: %w but a link to %s", abs, ErrNotDir, target)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return "", unusable(abs, err)
	}
	if abs, err = resolve(abs); err != nil {
		return "", err
	}
	if err := recoverDead(abs); err != nil {
		return "", unusable(abs, err)
	}
	return abs, unusable(abs, makeEmpty(abs))
}

// makeEmpty makes a directory unless there is an empty one.
func makeEmpty(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(path)
	if len(entries) > 0 {
		err = ErrNotEmpty
	}
	return err
}

// unusable says of which path an error is.
func unusable(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOTDIR):
		err = ErrNotDir
	}
	return fmt.Errorf("%s: %w", path, err)
}

// resolve returns a path as mount tables have it. It does not touch the last
// part, which may be a mount that nobody answers for yet.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	return filepath.Join(dir, filepath.Base(abs)), err
}

// recoverDead takes away mounts whose server has gone, as many as are stacked.
func recoverDead(path string) error {
	mounts, err := mountsOn(path)
	for _, m := range slices.Backward(mounts) {
		switch {
		case m.FSType == "autofs": // which waits for a mount on it
			return nil
		case m.FSType != "fuse."+subtype:
			return fmt.Errorf("%w: %s", ErrBusy, m.FSType)
		case !isDead(path):
			return ErrServed
		}
		if err := unmount(path); err != nil {
			return fmt.Errorf("dead mount: %w", err)
		}
	}
	return err
}

// isDead asks by statfs(2), which always reaches the server: the kernel answers
// stat(2) from its cache long after the server's death.
func isDead(path string) bool {
	var st unix.Statfs_t
	return errors.Is(unix.Statfs(path, &st), syscall.ENOTCONN)
}

// mountsOn returns what is mounted on a path, the uppermost last. The path is as mount tables have it.
func mountsOn(path string) ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != path, false })
}

// mountedDevice returns the device number of the dmfs that is mounted on a path.
func mountedDevice(path string) (uint64, error) {
	mounts, err := mountsOn(path)
	switch {
	case err != nil:
		return 0, err
	case len(mounts) == 0 || mounts[len(mounts)-1].FSType != "fuse."+subtype:
		return 0, syscall.ENOENT
	}
	m := mounts[len(mounts)-1]
	return unix.Mkdev(uint32(m.Major), uint32(m.Minor)), nil
}
