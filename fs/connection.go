package fs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A connection is a mount's line to the kernel. It belongs to us and not to
// go-fuse, which gets one end of a socket pair that replays the kernel's first
// request, INIT, and then finds the real device under its descriptor. So a later
// process can take the connection over, although the kernel says INIT only once.
type connection struct {
	device int    // /dev/fuse
	init   []byte // the request
	inner  int    // the descriptor that go-fuse reads
}

// initFlags2 is where the upper half of the kernel's flags is, behind struct
// fuse_in_header and four fields of struct fuse_init_in (linux/fuse.h).
const initFlags2 = 40 + 16

// notifyResend is the code of FUSE_NOTIFY_RESEND.
const notifyResend = 7

// oneByOne is set by tests alone.
var oneByOne bool

// newConnection waits for the kernel's first request.
func newConnection(device int) (*connection, error) {
	request := make([]byte, 64<<10)
	n, err := unix.Read(device, request)
	if err != nil {
		return nil, fmt.Errorf("init request: %w", err)
	}
	return &connection{device: device, init: request[:n:n]}, nil
}

// durable reports whether the kernel sends requests again that a process took
// and did not answer (Linux 6.9), without which a successor would leave their
// callers waiting for ever.
func (c *connection) durable() bool {
	return len(c.init) >= initFlags2+4 && binary.NativeEndian.Uint32(c.init[initFlags2:])&(fuse.CAP_HAS_RESEND>>32) != 0
}

// attach makes a server that answers on the connection. first says whether the
// kernel still waits for the answer to INIT.
func (c *connection) attach(raw fuse.RawFileSystem, first bool) (*fuse.Server, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(pair[1])
	if _, err := unix.Write(pair[1], c.init); err != nil {
		return nil, err
	}
	server, err := fuse.NewServer(raw, fmt.Sprintf("/dev/fd/%d", pair[0]), &fuse.MountOptions{
		FsName: "dmfs", Name: subtype, MaxWrite: maxTransfer,
		MaxInflightRequestBytes: 64 << 20,
		ExtraCapabilities:       fuse.CAP_ATOMIC_O_TRUNC,
		SingleThreaded:          oneByOne,
	})
	if err != nil {
		return nil, err
	}
	answer := make([]byte, 4<<10)
	n, err := unix.Read(pair[1], answer)
	if err != nil {
		return nil, err
	}
	if first {
		if _, err := unix.Write(c.device, answer[:n]); err != nil {
			return nil, fmt.Errorf("init answer: %w", err)
		}
	}
	c.inner = pair[0]
	return server, unix.Dup3(c.device, c.inner, unix.O_CLOEXEC)
}

// resend asks the kernel to send what the predecessor took and left unanswered.
func (c *connection) resend() error {
	var header [16]byte // struct fuse_out_header: len, error, unique
	binary.NativeEndian.PutUint32(header[0:], uint32(len(header)))
	binary.NativeEndian.PutUint32(header[4:], notifyResend)
	_, err := unix.Write(c.device, header[:])
	if errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("the mount is gone: %w", err)
	}
	return err
}

// silence takes the device away from go-fuse, whose answers go nowhere from now
// on: the kernel will send those requests again to a successor.
func (c *connection) silence() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0]) // the other end stays open: go-fuse must wait, not see an end
	if err := unix.Dup3(pair[0], c.inner, unix.O_CLOEXEC); err != nil {
		return err
	}
	return wakeReaders()
}

// silentWithin bounds how long silence waits for a processor for each thread.
const silentWithin = time.Second

// wakeReaders interrupts the threads that still wait inside the device, so that
// they come back and wait on what is under the descriptor now. One that stayed
// could take a request while this process ends, and the kernel would end that
// with EIO, or after a successor asked for all that is unanswered, and nobody would answer. A thread that
// runs may be on its way out of the device, with a request: only one that is seen to wait elsewhere is not.
// SIGURG is what the Go runtime interrupts its own threads with.
func wakeReaders() error {
	runtime.LockOSThread() // this thread is not in the device
	defer runtime.UnlockOSThread()
	threads, err := otherThreads()
	for begun := time.Now(); len(threads) > 0 && time.Since(begun) < silentWithin; time.Sleep(silentWithin / 10000) {
		threads = slices.DeleteFunc(threads, func(thread int) bool {
			switch wchan(thread) {
			case "fuse_dev_do_read":
				err = errors.Join(err, interrupt(thread))
				return false
			case "0": // it runs, or has ended
				return !exists(thread)
			}
			return true
		})
	}
	return err
}

func otherThreads() (threads []int, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil && id != unix.Gettid() {
			threads = append(threads, id)
		}
	}
	return threads, err
}

// wchan is where in the kernel a thread waits.
func wchan(thread int) string {
	where, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/wchan", thread))
	if err != nil {
		return "0"
	}
	return string(where)
}

func exists(thread int) bool { return unix.Tgkill(unix.Getpid(), thread, 0) == nil }

func interrupt(thread int) error {
	if err := unix.Tgkill(unix.Getpid(), thread, unix.SIGURG); err != unix.ESRCH {
		return err
	}
	return nil
}
