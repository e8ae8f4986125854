package harness

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Arrivals watches a directory in a mount with inotify and returns the names
// that are moved into it, as they come, until the test ends.
func Arrivals(t testing.TB, dir string) <-chan string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	t.Cleanup(func() { _ = f.Close() }) //nolint:errcheck // only read
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	names := make(chan string, 4096)
	go func() {
		defer close(names)
		events := make([]byte, 64<<10)
		for {
			n, err := f.Read(events)
			if err != nil {
				return
			}
			for rest := events[:n]; len(rest) >= unix.SizeofInotifyEvent; {
				size := unix.SizeofInotifyEvent + binary.NativeEndian.Uint32(rest[12:])
				name, _, _ := bytes.Cut(rest[unix.SizeofInotifyEvent:size], []byte{0})
				names <- string(name)
				rest = rest[size:]
			}
		}
	}()
	return names
}
