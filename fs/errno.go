package fs

import (
	"errors"
	"syscall"

	"dmfs/index"
	"dmfs/trust"
)

// ErrUnsigned refuses changes that carry no signature: rm, mv and ln of what
// is shown, and mkdir where no member's file may come.
var ErrUnsigned = errors.New("changes need a signature")

// ErrQuota refuses a draft when its bytes or the number of drafts would exceed
// the limits.
var ErrQuota = errors.New("too many drafts or draft bytes")

// errno is the one table from what went wrong to what a program is told.
var errno = []struct {
	err  error
	code syscall.Errno
}{
	{trust.ErrName, syscall.EINVAL},
	{trust.ErrTooLarge, syscall.EFBIG},
	{trust.ErrMalformed, syscall.EBADMSG},
	{trust.ErrMismatch, syscall.EKEYREJECTED},
	{trust.ErrUnknownKey, syscall.ENOKEY},
	{trust.ErrNotAllowed, syscall.EACCES},
	{trust.ErrRevoked, syscall.EKEYREVOKED},
	{trust.ErrExpired, syscall.EKEYEXPIRED},
	{trust.ErrFuture, syscall.ERANGE},
	{index.ErrOlder, syscall.ESTALE},
	{index.ErrConflict, syscall.EEXIST},
	{index.ErrQuota, syscall.EDQUOT},
	{ErrUnsigned, syscall.EPERM},
	{ErrQuota, syscall.EDQUOT},
}

// Errno returns what a program sees for err: 0 for nil, and EIO for an error
// that the table does not know.
func Errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	for _, row := range errno {
		if errors.Is(err, row.err) {
			return row.code
		}
	}
	return syscall.EIO
}
