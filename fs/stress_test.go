package fs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/fs/fstest"
)

// longVariable asks for the stress run at full length.
const longVariable = "DMFS_TEST_LONG"

// opened is what a process must not leak.
type opened struct {
	descriptors []string
	goroutines  int
}

// open leaves out pipes, of which go-fuse keeps a few to splice with.
func open() opened {
	o := opened{goroutines: runtime.NumGoroutine()}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if !strings.HasPrefix(target, "pipe:") && target != "/dev/null" {
			o.descriptors = append(o.descriptors, target)
		}
	}
	return o
}

// leaked allows for go-fuse's readers, which come and go. The zero opened is not known.
func leaked(before, after opened) bool {
	return before.goroutines > 0 && (len(after.descriptors) > len(before.descriptors) || after.goroutines > before.goroutines+20)
}

// churn does what programs do, at random, until it is killed or its time is over.
func churn(mount string, until time.Time) (string, error) {
	names := stormNames()
	operations := 0
	for ; time.Now().Before(until); operations++ {
		path := filepath.Join(mount, names[rand.IntN(len(names))])
		temporary := fmt.Sprintf("%s.tmp%d", path, rand.IntN(5))
		var err error
		switch rand.IntN(10) {
		case 0, 1:
			_, err = os.ReadFile(path)
		case 2:
			_, err = os.ReadFile(path + ".sig")
		case 3:
			_, err = os.ReadDir(filepath.Dir(path))
		case 4:
			err = os.WriteFile(temporary, make([]byte, rand.IntN(5000)), 0o600)
		case 5:
			if os.WriteFile(temporary, []byte("unsigned"), 0o600) == nil {
				err = os.Rename(temporary, path)
			}
		case 6:
			err = os.WriteFile(path, []byte("unsigned"), 0o600)
		case 7:
			if err = os.Remove(temporary); err == nil {
				err = os.Remove(path)
			}
		case 8:
			_, err = unix.Getxattr(path, "user.dmfs.signer", make([]byte, 100))
		case 9:
			kept, _ := filepath.Glob(filepath.Join(mount, ".dmfs/history", names[rand.IntN(len(names))], "*"))
			for _, path := range kept {
				if _, err = os.ReadFile(path); errors.Is(err, syscall.ESTALE) {
					return "", err
				}
			}
		}
		if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EDEADLK) {
			return "", err
		}
	}
	return strconv.Itoa(operations), nil
}

// TestStress runs all kinds of writers and readers at once, for a minute when it
// is asked to.
func TestStress(t *testing.T) {
	duration := "3"
	if os.Getenv(longVariable) != "" {
		duration = "60"
	}
	if testing.Short() {
		duration = "1.5"
	}
	n := fstest.MountWith(t, fs.Options{DraftAge: 300 * time.Millisecond}, append(stormNames(), "f", "r", "t")...)
	n.Remote("f", sealed("good"), 1)
	n.Remote("r", known(1), 1)
	n.Must("until test -e $M/r; do :; done")
	before := open()
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	heap := memory.HeapAlloc
	started := []*worker{
		work(t, "reader", n.Dir+"/f", duration), work(t, "reader", n.Dir+"/f", duration),
		work(t, "writer", n.Dir, "f", duration), work(t, "writer", n.Dir, "f", duration),
		work(t, "checker", n.Dir+"/r", duration), work(t, "churn", n.Dir, duration),
	}
	end := seconds(duration)
	for v := int64(2); time.Now().Before(end); v++ {
		n.Remote("r", known(uint64(v)), v)
		n.Pair("t", fmt.Appendf(nil, "tool %d\n", v), v)
		n.Must("cp t t.sig $M/ && cmp t $M/t")
	}
	for _, w := range started {
		t.Logf("%s: %s", strings.Join(w.Args[1:], " "), w.finish(t))
	}
	noDrafts(t, n)
	fstest.Eventually(t, "nothing leaked", func() bool { return !leaked(before, open()) })
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > heap+32<<20 {
		t.Errorf("%d bytes on the heap became %d", heap, memory.HeapAlloc)
	}
}
