//go:build linux

package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"dmfs/fs"
)

// A live mount reaches this process in one of two ways: from the process that
// it was before it executed itself anew, by deviceVariable, or out of systemd's
// descriptor store under a name that begins with devicePrefix (sd_listen_fds(3)).
// Both tell how the mount looks: see MountOptions.looks.
const (
	deviceVariable = "DMFS_MOUNT_FD" // FD:LOOKS
	devicePrefix   = "mount-"        // LOOKS
	firstListenFD  = 3
)

// A legacy is the live mount that an earlier process left. Whoever cannot serve
// it must give it up, since its readers wait for as long as it is open.
type legacy struct {
	device int // its descriptor, 0: none
	looks  string
}

// inherit finds the live mount that is handed to this process. The environment
// is cleared of it, since children must not believe it is theirs.
func inherit() legacy {
	l := inheritStored()
	if fd, looks, ok := strings.Cut(os.Getenv(deviceVariable), ":"); ok {
		if n, err := strconv.Atoi(fd); err == nil && n >= firstListenFD {
			l = legacy{n, looks}
		}
	}
	for _, v := range []string{deviceVariable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(v) //nolint:errcheck // fails for names that are none
	}
	if l.device != 0 {
		unix.CloseOnExec(l.device)
	}
	return l
}

func inheritStored() (l legacy) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return l
	}
	for i, name := range strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") {
		unix.CloseOnExec(firstListenFD + i)
		if looks, ok := strings.CutPrefix(name, devicePrefix); ok {
			l = legacy{firstListenFD + i, looks}
		}
	}
	return l
}

// giveUp lets go of the live mount: who waits for an answer gets an error, and
// the mountpoint, if it is known, is free.
func (l *legacy) giveUp(mountpoint string) error {
	if l.device == 0 {
		return nil
	}
	err := errors.Join(l.unstore(), unix.Close(l.device))
	l.device = 0
	mounts, found := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return m.Mountpoint != mountpoint || m.FSType != "fuse.dmfs", false
	})
	if found == nil && len(mounts) > 0 {
		err = errors.Join(err, detach(mountpoint))
	}
	return err
}

// unstore has systemd close its copy.
func (l *legacy) unstore() error {
	if l.looks == "" {
		return nil
	}
	return notify("FDSTOREREMOVE=1\nFDNAME=" + devicePrefix + l.looks)
}

// storeDevice gives systemd a copy of the descriptor, so that the mount lives on
// while this process does not. A copy of an earlier mount is dropped.
func storeDevice(mount *fs.FS, looks string, log *slog.Logger) {
	fd, durable := mount.Device()
	if !durable {
		log.Warn("this kernel cannot hand a live mount on: a restart will unmount", "needs", "Linux 6.9")
		return
	}
	name := "FDNAME=" + devicePrefix + looks
	tell(log, "FDSTOREREMOVE=1\n"+name)
	if err := notifyWith("FDSTORE=1\n"+name, fd); err != nil {
		log.Warn("systemd did not store the mount", "err", err)
	}
}

// program returns the path of what a restart executes: the file that this
// process was started from, or what an upgrade has put in its place. It is
// looked at, not tried out: a process that serves a mount must not wait for a
// child, of which the kernel may want something from the mount.
func program() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	path = strings.TrimSuffix(path, " (deleted)")
	if err := unix.Access(path, unix.X_OK); err != nil {
		return "", fmt.Errorf("%s cannot be executed: %w", path, err)
	}
	ours, err := elf.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer ours.Close()
	next, err := elf.Open(path) // also reads the table at its end: a file cut short is refused
	if err != nil {
		return "", fmt.Errorf("%s is no program: %w", path, err)
	}
	defer next.Close()
	if next.Machine != ours.Machine || next.Class != ours.Class || next.Data != ours.Data {
		return "", fmt.Errorf("%s is a program for another machine: %v", path, next.Machine)
	}
	return path, nil
}

// again executes the program anew under the live mount. It returns only when
// that failed.
func again(path string, device int, looks string) error {
	if _, err := unix.FcntlInt(uintptr(device), unix.F_SETFD, 0); err != nil {
		return err
	}
	env := append(os.Environ(), fmt.Sprintf("%s=%d:%s", deviceVariable, device, looks))
	err := syscall.Exec(path, os.Args, env)
	return errors.Join(fmt.Errorf("execute %s anew: %w", path, err), unix.Close(device))
}
