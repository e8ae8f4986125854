// Package harness runs whole nodes for the tests: the real program, as a
// process of its own, with a real mount, on loopback or in network namespaces.
//
// A test makes a Mesh, which takes itself away when the test ends, and while it
// does so holds every node to its promises: exit code 0 on SIGTERM, no process
// and no mount left, an index that passes its check. Nothing here waits for
// time to pass; conditions are awaited, with a deadline. Only tests import it.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take that no promise limits.
const patience = 60 * time.Second

// bin is the directory that holds the program under test, once it is built.
var bin struct {
	once sync.Once
	dir  string
	err  error
}

// Main runs the tests of a package whose TestMain it is the whole of, removes
// the program that was built for them, and returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if bin.dir == "" {
		return code
	}
	if err := os.RemoveAll(bin.dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Bin returns a directory with dmfs in it, built from this source when the
// first test asks, with the race detector if this test has it.
func Bin(t testing.TB) string {
	t.Helper()
	bin.once.Do(func() { bin.dir, bin.err = build() })
	if bin.err != nil {
		t.Fatal(bin.err)
	}
	return bin.dir
}

func build() (string, error) {
	dir, err := os.MkdirTemp("", "dmfs-bin-")
	if err != nil {
		return "", err
	}
	var flags []string
	if Race {
		flags = append(flags, "-race")
	}
	return dir, compile(filepath.Join(dir, "dmfs"), "dmfs/cmd/dmfs", flags...)
}

func compile(program, pkg string, flags ...string) error {
	args := append(append([]string{"build", "-o", program}, flags...), pkg)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// Program builds a program of this source that serves tests, beside dmfs and always without the race detector,
// and returns its path.
func Program(t testing.TB, pkg string) string {
	t.Helper()
	program := filepath.Join(Bin(t), filepath.Base(pkg))
	if err := compile(program, pkg); err != nil {
		t.Fatal(err)
	}
	return program
}

// NeedMount skips a test where nothing can be mounted, and fails it in CI.
func NeedMount(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		err = f.Close()
	}
	need(t, err)
}

// NeedRoot skips a test that makes network namespaces where that is not
// possible, and fails it in CI.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		need(t, fmt.Errorf("network namespaces need root"))
	}
	for _, tool := range []string{"ip", "nsenter"} {
		_, err := exec.LookPath(tool)
		need(t, err)
	}
}

// Need skips a test that uses a program which is not there, and fails it in CI.
func Need(t testing.TB, tool string) {
	t.Helper()
	_, err := exec.LookPath(tool)
	need(t, err)
}

func need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("CI must be able to run this: %v", err)
	default:
		t.Skipf("NOT TESTED HERE: %v", err)
	}
}
