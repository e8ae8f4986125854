package fs

import (
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// An operation is a kind of request.
type operation int

const (
	opLookup operation = iota
	opGetAttr
	opSetAttr
	opStatFs
	opOpenDir
	opReadDir
	opReadDirPlus
	opOpen
	opRead
	opReadlink
	opGetXAttr
	opListXAttr
	opCreate
	opWrite
	opFlush
	opRename
	opUnlink
	opMkdir
	opRmdir
	operations
)

var operationNames = [operations]string{
	"lookup", "getattr", "setattr", "statfs", "opendir", "readdir", "readdirplus", "open", "read", "readlink",
	"getxattr", "listxattr", "create", "write", "flush", "rename", "unlink", "mkdir", "rmdir",
}

// errnos is more than the greatest errno of Linux.
const errnos = 134

// A tally counts the requests that were answered.
type tally [operations][errnos]atomic.Uint64

// answer counts an answer, which costs a few nanoseconds.
func (s server) answer(op operation, err error) fuse.Status {
	code := status(err)
	if int(code) >= errnos {
		code = fuse.EIO
	}
	s.requests[op][code].Add(1)
	return code
}

// Requests is how many requests of one operation were answered in one way since this process serves
// the mount.
type Requests struct {
	Operation string        // as in linux/fuse.h, in lower case
	Errno     syscall.Errno // 0: done
	Count     uint64
}

// Requests returns those that there were; at most one for each operation and errno. Answers that are
// always the same are not counted.
func (f *FS) Requests() (all []Requests) {
	for op := range f.requests {
		for code := range f.requests[op] {
			if n := f.requests[op][code].Load(); n > 0 {
				all = append(all, Requests{operationNames[op], syscall.Errno(code), n})
			}
		}
	}
	return all
}
