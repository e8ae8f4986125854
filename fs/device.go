package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Device is what a node opens to mount; an error about it is an [os.PathError].
const Device = "/dev/fuse"

// maxTransfer is the largest read or write request in bytes.
const maxTransfer = 128 << 10

// mountDevice mounts and returns the connection's descriptor: with mount(2)
// where we may, through the setuid helper fusermount3 where we may not.
func mountDevice(mountpoint string, allowOther bool) (int, error) {
	fd, err := mountDirect(mountpoint, allowOther)
	if errors.Is(err, unix.EPERM) {
		return mountHelper(mountpoint, allowOther)
	}
	return fd, err
}

func mountDirect(mountpoint string, allowOther bool) (int, error) {
	fd, err := unix.Open(Device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: Device, Err: err}
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,max_read=%d,default_permissions", fd, os.Getuid(), os.Getgid(), maxTransfer)
	if allowOther {
		options += ",allow_other"
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("dmfs", mountpoint, "fuse."+subtype, flags, options); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mountHelper runs fusermount3, which sends the descriptor over a socket.
func mountHelper(mountpoint string, allowOther bool) (int, error) {
	helper, err := exec.LookPath("fusermount3")
	if err != nil {
		return -1, fmt.Errorf("mounting without root needs fusermount3: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "fusermount3")
	defer theirs.Close()
	options := fmt.Sprintf("nosuid,nodev,noexec,default_permissions,fsname=dmfs,subtype=%s,max_read=%d", subtype, maxTransfer)
	if allowOther {
		options += ",allow_other"
	}
	cmd := exec.Command(helper, "-o", options, "--", mountpoint)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	if out, err := cmd.CombinedOutput(); err != nil {
		return -1, fmt.Errorf("fusermount3: %s: %w", strings.TrimSpace(string(out)), err)
	}
	return receiveDescriptor(pair[0])
}

func receiveDescriptor(socket int) (int, error) {
	var data [4]byte
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data[:], oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("fusermount3 sent no descriptor: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("fusermount3 sent no descriptor: %w", err)
	}
	return fds[0], nil
}

// unmount takes a mount away, lazily when it is in use.
func unmount(mountpoint string) error {
	err := unix.Unmount(mountpoint, 0)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(mountpoint, unix.MNT_DETACH)
	}
	if errors.Is(err, unix.EPERM) {
		err = helperUnmount(mountpoint)
	}
	if errors.Is(err, syscall.EINVAL) {
		return nil // not mounted any more
	}
	return err
}

func helperUnmount(mountpoint string) error {
	out, err := exec.Command("fusermount3", "-u", "-z", "--", mountpoint).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fusermount3 -u: %s: %w", strings.TrimSpace(string(out)), err)
	}
	return nil
}
