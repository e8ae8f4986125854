package fs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/trust"
)

// killCourier kills the courier of this process's one mount.
func killCourier(t *testing.T) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		children, _ := os.ReadFile(list) // of a thread that may have ended
		for _, child := range strings.Fields(string(children)) {
			args, _ := os.ReadFile("/proc/" + child + "/cmdline")
			id, err := strconv.Atoi(child)
			if err == nil && string(args) == "dmfs\x00courier\x00" && syscall.Kill(id, syscall.SIGKILL) == nil {
				return
			}
		}
	}
	t.Fatal("there is no courier")
}

// TestCourierIsReplaced when somebody kills it in the middle of a round: every
// change is shown, and watchers hear of all but the one that the kernel had in hand
// at that moment, which it may drop after it was answered.
func TestCourierIsReplaced(t *testing.T) {
	const files, times = 200, 5
	var names []string
	for i := range files {
		names = append(names, fmt.Sprintf("f%d", i))
	}
	n := fstest.Mount(t, append(names, "last")...)
	events := watch(t, n.Dir, "-e", "moved_to")
	for v := range int64(times) {
		var records []trust.Record
		for _, name := range names {
			records = append(records, n.Record(name, fmt.Appendf(nil, "%d\n", v), v+1))
		}
		n.Apply(append(records, n.Record("last", fmt.Append(nil, v), v+1))...)
		heard := 0
		for next(t, events) != "MOVED_TO last" {
			if heard++; heard == 10 {
				killCourier(t)
			}
		}
		if heard < files-1 {
			t.Errorf("death %d: watchers heard of %d changes of %d", v+1, heard, files)
		}
		if out := n.Must("cat $M/f*[0-9] | sort | uniq -c"); strings.TrimSpace(out) != fmt.Sprintf("%d %d", files, v) {
			t.Errorf("after death %d: %s", v+1, out)
		}
	}
}

// TestCourierIsNobodyToUmount, which succeeds while the courier is in the mount.
func TestCourierIsNobodyToUmount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: umount(2) and a copy of the mount are for root alone")
	}
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("news"), 1)
	if work(t, "guest", n.Dir).finish(t); !t.Failed() {
		<-n.Done()
	}
}

// unmountInside unmounts where the courier is.
func unmountInside(dir string) error {
	var unmounted error
	err := fs.InMount(dir, func() { unmounted = syscall.Unmount(dir, 0) })
	return errors.Join(err, unmounted)
}
