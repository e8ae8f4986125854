//go:build linux

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// notify tells systemd how the service is, for Type=notify: "READY=1",
// "STOPPING=1"; see sd_notify(3). Without $NOTIFY_SOCKET there is nobody to
// tell.
func notify(state string) error { return notifyWith(state) }

// notifyWith sends descriptors along, of which systemd then has copies.
func notifyWith(state string, descriptors ...int) error {
	path := os.Getenv("NOTIFY_SOCKET") // "@..." is an abstract socket, here as there
	if path == "" {
		return nil
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	return unix.Sendmsg(socket, []byte(state), rights, &unix.SockaddrUnix{Name: path}, 0)
}
