package fs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dmfs/fs"
)

// workers are what this test binary does when it is started again, since
// clients of a mount must not be its server. Each gets the arguments and returns what it
// prints at its end.
var workers = map[string]func(args []string) (string, error){
	"reader":   func(args []string) (string, error) { return readLoop(args[0], seconds(args[1])) },
	"writer":   func(args []string) (string, error) { return writeLoop(args[0], args[1], seconds(args[2])) },
	"server":   func(args []string) (string, error) { return "", serveLoop(args[0], args[1]) },
	"copier":   func(args []string) (string, error) { return "", copyFiles(args[0], args[1:]) },
	"witness":  func(args []string) (string, error) { return "", witness(args[0], args[1]) },
	"fanotify": func(args []string) (string, error) { return "", listenAll(args[0]) },
	"checker":  func(args []string) (string, error) { return checkLoop(args[0], seconds(args[1])) },
	"builder":  func(args []string) (string, error) { return build(args[0], seconds(args[1])) },
	"visitor":  func(args []string) (string, error) { return visit(args[0], seconds(args[1])) },
	"storm":    func(args []string) (string, error) { return stormServer(args[0], args[1], args[2]) },
	"one by one": func(args []string) (string, error) {
		fs.OneByOne()
		return stormServer(args[0], args[1], args[2])
	},
	"guest": func(args []string) (string, error) { return "", unmountInside(args[0]) },
	"churn": func(args []string) (string, error) { return churn(args[0], seconds(args[1])) },
}

const workerVariable = "DMFS_TEST_WORKER"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // of couriers and workers
	if len(os.Args) == 2 && os.Args[1] == "courier" {
		exit("", fs.RunCourier())
	}
	work, ok := workers[os.Getenv(workerVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	exit(work(os.Args[1:]))
}

func exit(report string, err error) {
	fmt.Println(report)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// worker is a worker that runs.
type worker struct {
	*exec.Cmd
	said bytes.Buffer
}

// work starts a worker, to be killed when the test ends.
func work(t *testing.T, kind string, args ...string) *worker {
	t.Helper()
	w := &worker{Cmd: exec.Command(os.Args[0], args...)}
	w.Env = append(os.Environ(), workerVariable+"="+kind)
	w.Stdout, w.Stderr = &w.said, &w.said
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Process.Kill(); w.Wait() })
	return w
}

// finish waits for a worker that has to succeed and returns what it said.
func (w *worker) finish(t *testing.T) string {
	t.Helper()
	if err := w.Wait(); err != nil {
		t.Errorf("%s: %v: %s", strings.Join(w.Args[1:], " "), err, &w.said)
	}
	return strings.TrimSpace(w.said.String())
}
