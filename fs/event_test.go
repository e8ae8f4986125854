package fs_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dmfs/fs/fstest"
)

// TestNoEventBeforeItsContent: whoever reads on an event finds at least the
// version that caused it.
func TestNoEventBeforeItsContent(t *testing.T) {
	versions := 1000
	if testing.Short() {
		versions = 200
	}
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("0"), 1)
	n.Must("until test -e $M/f; do :; done")
	w := work(t, "witness", n.Dir, strconv.Itoa(versions))
	n.Must("until test -e " + n.Work + "/ready -o -n \"$(grep -l inotify /proc/" + strconv.Itoa(w.Process.Pid) + "/fdinfo/* 2>/dev/null)\"; do :; done")
	for i := range versions {
		n.Remote("f", []byte(strconv.Itoa(i+1)), int64(i+2))
	}
	w.finish(t)
}

// witness counts events of the file f. The i-th comes from version i or a later one.
func witness(dir, last string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for seen := 0; ; {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return err
		}
		for at := 0; at < n; at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[at+12:])) {
			seen++
			text, err := os.ReadFile(filepath.Join(dir, "f"))
			if err != nil {
				return err
			}
			if version, err := strconv.Atoi(string(text)); err != nil || version < seen {
				return fmt.Errorf("event %d came when the file read %q: %v", seen, text, err)
			}
			if string(text) == last {
				return nil
			}
		}
	}
}

// TestFanotify in a directory, with names.
func TestFanotify(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: fanotify needs root")
	}
	n := fstest.Mount(t, "f")
	cmd := exec.Command(os.Args[0], n.Dir)
	cmd.Env = append(os.Environ(), workerVariable+"=fanotify")
	steps(t, n, cmd, []step{
		{"ready", func() { n.Remote("f", []byte("1\n"), 1) }},
		{"moved_to f 1", func() { n.Remote("f", []byte("2\n"), 2) }},
		{"moved_to f 2", func() { n.RemoteDelete("f", 3) }},
		{"delete f ", nil},
	})
}

// listenAll prints fanotify's events in a directory.
func listenAll(dir string) error {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	const mask = unix.FAN_MOVED_TO | unix.FAN_DELETE | unix.FAN_CREATE
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD, mask, unix.AT_FDCWD, dir); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	fmt.Println("ready")
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return err
		}
		for at := 0; at < n; at += int(binary.NativeEndian.Uint32(buf[at:])) {
			event := buf[at : at+int(binary.NativeEndian.Uint32(buf[at:]))]
			what := map[uint64]string{unix.FAN_MOVED_TO: "moved_to", unix.FAN_DELETE: "delete", unix.FAN_CREATE: "create"}[binary.NativeEndian.Uint64(event[8:])]
			name := string(bytes.TrimRight(event[bytes.LastIndexByte(bytes.TrimRight(event, "\x00"), 0)+1:], "\x00"))
			name = strings.TrimFunc(name, func(r rune) bool { return r < ' ' })
			text, _ := os.ReadFile(filepath.Join(dir, "f"))
			fmt.Println(what, name, strings.TrimSpace(string(text)))
		}
	}
}
