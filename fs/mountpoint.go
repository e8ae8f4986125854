package fs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	if err := recoverDead(abs); err != nil {
		return "", fmt.Errorf("%s: %w", abs, err)
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		if errors.Is(err, syscall.ENOTDIR) {
			err = ErrNotDir
		}
		return "", fmt.Errorf("%s: %w", abs, err)
	}
	entries, err := os.ReadDir(abs)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s: %w", abs, ErrNotEmpty)
	}
	return resolve(abs)
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
// It asks by statfs(2), which always reaches the server: the kernel answers
// stat(2) from its cache long after the server's death.
func recoverDead(path string) error {
	for {
		var st unix.Statfs_t
		if err := unix.Statfs(path, &st); !errors.Is(err, syscall.ENOTCONN) {
			break
		}
		if err := unmount(path); err != nil {
			return fmt.Errorf("dead mount: %w", err)
		}
	}
	m, err := mountOn(path)
	switch {
	case err != nil || m == nil:
		return err
	case m.FSType == "fuse."+subtype:
		return ErrServed
	case m.FSType != "autofs": // which waits for a mount on it
		return fmt.Errorf("%w: %s", ErrBusy, m.FSType)
	}
	return nil
}

// mountOn returns what is mounted on a path, the uppermost, or nil.
func mountOn(path string) (*mountinfo.Info, error) {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return m.Mountpoint != path, false })
	if err != nil || len(mounts) == 0 {
		return nil, err
	}
	return mounts[len(mounts)-1], nil
}
