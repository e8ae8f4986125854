package fs

import (
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// forever is how long the kernel may keep what never changes behind its back.
const forever = 365 * 24 * time.Hour

const notSupported = fuse.Status(syscall.EOPNOTSUPP)

// status turns what a handler returns into FUSE's answer: an errno that the
// handler chose as it is, every other error by the table. ENOSYS must not
// escape, since it would turn the operation off for the whole mount.
func status(err error) fuse.Status {
	var code syscall.Errno
	if !errors.As(err, &code) || code == syscall.ENOSYS {
		code = Errno(err)
	}
	return fuse.Status(code)
}
