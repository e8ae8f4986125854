package fs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A courier does what is done through our own mount: the renames, unlinks and
// directories of deliveries. It is a process of its own, this program again as
// "dmfs courier", since a thread that waits for the answer to its request
// cannot be killed: in the server's process it would wait for an answer that a
// killed server never gives, keep the process from ending, and so keep systemd,
// which holds a copy of the connection, from starting the successor that would
// answer. The courier has no copy. It ends when its socket does.
type courier struct {
	mu     sync.Mutex
	socket int // -1: not running
	thread uint32
	ended  chan struct{} // closed when the process was reaped
}

// An order is one request to the courier: errands to be done in turn, whatever comes of
// each. A report is its answer.
type order struct {
	Mount   string   `json:"mount"`
	Device  uint64   `json:"device"` // st_dev of the mount: nothing else may be changed
	Errands []errand `json:"errands"`
}

type errand struct {
	Do   string `json:"do"`
	From string `json:"from,omitempty"`
	Path string `json:"path"`
}

type report struct {
	Thread uint32          `json:"thread,omitempty"` // in the first report: who will call
	Errnos []syscall.Errno `json:"errnos,omitempty"` // of each errand
}

// Errands.
const (
	doRename = "rename"
	doUnlink = "unlink"
	doMkdir  = "mkdir"
	doRmdir  = "rmdir"
	doTouch  = "touch"
)

// What messages on the socket have at most, in bytes. JSON may need six for each byte of the
// mountpoint and of a round's names.
const (
	maxOrder  = 128 << 10
	maxReport = 4 << 10
)

// maxCouriers may end at one order, for which watchers miss what the next one would have done.
const maxCouriers = 4

// courierSocket is the descriptor under which the courier finds its socket.
const courierSocket = 3

func newCourier() *courier { return &courier{socket: -1} }

// start runs the process and waits until it is there.
func (c *courier) start() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "courier")
	defer theirs.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"dmfs", "courier"},
		ExtraFiles: []*os.File{theirs},
		Stdin:      os.Stdin, Stdout: os.Stderr, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // a terminal's Ctrl-C is for the server
	}
	if err := cmd.Start(); err != nil {
		unix.Close(pair[0])
		return fmt.Errorf("start the courier: %w", err)
	}
	c.socket, c.ended = pair[0], make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		_ = cmd.Wait() // how it ended says nothing: that it did is seen on the socket
	}(c.ended)
	first, err := c.listen()
	if err != nil {
		return fmt.Errorf("the courier did not start: %w", err)
	}
	c.thread = first.Thread
	return nil
}

// ensure starts the process unless it runs.
func (c *courier) ensure() error {
	if c.socket >= 0 {
		return nil
	}
	return c.start()
}

// stop ends the process and returns when it is no more.
func (c *courier) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket < 0 {
		return
	}
	unix.Close(c.socket)
	c.socket = -1
	<-c.ended
}

// run has an order carried out and returns what came of each errand. announce makes
// it, knowing which thread will come. A courier that somebody killed is replaced, also one
// that was killed after the order before; the next one is refused what was done already.
func (c *courier) run(announce func(thread uint32) order) ([]syscall.Errno, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range maxCouriers {
		if err := c.ensure(); err != nil {
			return nil, err
		}
		o := announce(c.thread)
		r, err := c.ask(o)
		if err == nil && len(r.Errnos) == len(o.Errands) {
			return r.Errnos, nil
		}
		unix.Close(c.socket)
		c.socket = -1
	}
	return nil, errors.New("the courier keeps ending")
}

func orNil(code syscall.Errno) error {
	if code == 0 {
		return nil
	}
	return code
}

func (c *courier) ask(o order) (report, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return report{}, err
	}
	if err := retry(func() error { return unix.Sendto(c.socket, text, unix.MSG_NOSIGNAL, nil) }); err != nil {
		return report{}, err
	}
	return c.listen()
}

func (c *courier) listen() (report, error) {
	var r report
	text, err := receive(c.socket, make([]byte, maxReport))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// receive reads one message into buf; none is the end.
func receive(socket int, buf []byte) ([]byte, error) {
	var n int
	err := retry(func() (err error) {
		n, err = unix.Read(socket, buf)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, os.ErrClosed
	}
	return buf[:n], nil
}

// RunCourier is the courier's side, the whole of "dmfs courier": it runs errands
// until the server closes the socket. Signals to stop are the server's.
func RunCourier() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR2)
	unix.CloseOnExec(courierSocket)
	answer, buf := report{Thread: uint32(unix.Gettid())}, make([]byte, maxOrder)
	for {
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		if err := retry(func() error { return unix.Sendto(courierSocket, text, unix.MSG_NOSIGNAL, nil) }); err != nil {
			return nil // the server has gone meanwhile
		}
		if text, err = receive(courierSocket, buf); err != nil {
			return nil
		}
		var o order
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		answer = report{Errnos: o.run()}
	}
}

// run does the errands with plain system calls, and tells how each ended.
func (o order) run() []syscall.Errno {
	errnos := make([]syscall.Errno, len(o.Errands))
	err := o.inMount(func(root int) {
		for i, e := range o.Errands {
			errnos[i] = errnoOf(retry(func() error { return e.run(root) }))
		}
	})
	if err != nil {
		for i := range errnos {
			errnos[i] = errnoOf(err)
		}
	}
	return errnos
}

func (e errand) run(root int) error {
	switch e.Do {
	case doRename:
		return unix.Renameat(root, e.From, root, e.Path)
	case doUnlink:
		return unix.Unlinkat(root, e.Path, 0)
	case doMkdir:
		return unix.Mkdirat(root, e.Path, 0o755)
	case doRmdir:
		return unix.Unlinkat(root, e.Path, unix.AT_REMOVEDIR)
	case doTouch:
		return unix.UtimesNanoAt(root, e.Path, nil, unix.AT_SYMLINK_NOFOLLOW)
	}
	return unix.ENOSYS
}

func errnoOf(err error) syscall.Errno {
	var code syscall.Errno
	if err != nil && !errors.As(err, &code) {
		code = unix.EIO
	}
	return code
}

// inMount opens the root of the mount and of nothing else that may have come
// into its place.
func (o order) inMount(do func(root int)) error {
	var root int
	err := retry(func() (err error) {
		root, err = openRoot(o.Mount)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(root)
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return err
	}
	if st.Dev != o.Device {
		return unix.ENODEV
	}
	do(root)
	return nil
}

// openRoot opens the root of a mount by a descriptor that the server does not see: of a copy of the
// mount that is nowhere else, so that umount(8) never finds us in it, or of the mount itself where we lack
// the privilege to copy it.
func openRoot(mountpoint string) (int, error) {
	root, err := unix.OpenTree(unix.AT_FDCWD, mountpoint,
		unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return unix.Open(mountpoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	}
	return root, nil
}
