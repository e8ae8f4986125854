package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"dmfs/fs"
)

// A live mount reaches this process in one of two ways: from the process that
// it was before it executed itself anew, by deviceVariable, or out of systemd's
// descriptor store under the name deviceName (sd_listen_fds(3)).
const (
	deviceVariable = "DMFS_MOUNT_FD"
	deviceName     = "mount"
	firstListenFD  = 3
)

// inheritedDevice returns the descriptor of a live mount, 0 for none. The
// environment is cleared of it, since children must not believe it is theirs.
func inheritedDevice() int {
	fd := inheritedByName()
	if n, err := strconv.Atoi(os.Getenv(deviceVariable)); err == nil && n >= firstListenFD {
		fd = n
	}
	for _, v := range []string{deviceVariable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		os.Unsetenv(v)
	}
	if fd != 0 {
		unix.CloseOnExec(fd)
	}
	return fd
}

func inheritedByName() int {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return 0
	}
	for i, name := range strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") {
		unix.CloseOnExec(firstListenFD + i)
		if name == deviceName {
			return firstListenFD + i
		}
	}
	return 0
}

// storeDevice gives systemd a copy of the descriptor, so that the mount lives on
// while this process does not. A copy of an earlier mount is dropped.
func storeDevice(mount *fs.FS, log *slog.Logger) {
	fd, durable := mount.Device()
	if !durable {
		log.Warn("this kernel cannot hand a live mount on: a restart will unmount", "needs", "Linux 6.9")
		return
	}
	tell(log, "FDSTOREREMOVE=1\nFDNAME="+deviceName)
	if err := notifyWith("FDSTORE=1\nFDNAME="+deviceName, fd); err != nil {
		log.Warn("systemd did not store the mount", "err", err)
	}
}

// program returns the path of what a restart executes: the file that this
// process was started from, or what an upgrade has put in its place.
func program() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	path = strings.TrimSuffix(path, " (deleted)")
	if out, err := exec.Command(path, "version").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not run: %w: %s", path, err, oneLine(string(out)))
	}
	return path, nil
}

// again executes the program anew under the live mount. It returns only when
// that failed.
func again(path string, device int) error {
	if _, err := unix.FcntlInt(uintptr(device), unix.F_SETFD, 0); err != nil {
		return err
	}
	env := append(os.Environ(), deviceVariable+"="+strconv.Itoa(device))
	err := syscall.Exec(path, os.Args, env)
	return errors.Join(fmt.Errorf("execute %s anew: %w", path, err), unix.Close(device))
}
