//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"dmfs/fs"
)

// mountHint names the next step for a mount that did not come about.
func mountHint(err error, dir string) string {
	missing := errors.Is(err, os.ErrNotExist)
	path, ok := errors.AsType[*os.PathError](err)
	device := ok && path.Path == fs.Device
	switch {
	case errors.Is(err, fs.ErrServed):
		return "mount elsewhere, or end the other one first: umount " + dir
	case errors.Is(err, fs.ErrBusy):
		return "name another directory; what is mounted there: findmnt " + dir
	case errors.Is(err, fs.ErrNotEmpty):
		return "name an empty directory; what is in this one: ls -A " + dir
	case errors.Is(err, fs.ErrNotDir):
		return "name a directory that exists, or one that dmfs can make"
	case errors.Is(err, exec.ErrNotFound):
		return "install the package fuse3, or run as root"
	case strings.Contains(err.Error(), "allow_other"):
		return "add user_allow_other to /etc/fuse.conf, or leave allow_other out"
	case device && missing:
		return "modprobe fuse; in a container, give it the device /dev/fuse"
	case device:
		return "ls -l /dev/fuse: this user, or this service, may not open it"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS):
		return "run as root, or name a directory of your own"
	}
	return ""
}
