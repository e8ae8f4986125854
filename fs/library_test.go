package fs_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dmfs/fs/fstest"
)

// TestWatchdog is Python's library of that name.
func TestWatchdog(t *testing.T) {
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import watchdog").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		fstest.Program(t, "python3-watchdog, the package")
	}
	n := fstest.Mount(t, "f")
	cmd := exec.Command(python, "-c", `import os, sys
from watchdog.observers import Observer
from watchdog.events import FileSystemEventHandler
class Handler(FileSystemEventHandler):
    def on_any_event(self, e):
        if e.src_path.endswith("/f") and e.event_type in ("created", "moved", "deleted"):
            print(e.event_type, open(e.src_path).read().strip() if os.path.exists(e.src_path) else "gone", flush=True)
o = Observer()
o.schedule(Handler(), os.environ["M"])
o.start()
print("ready", flush=True)
sys.stdin.read()
o.stop()`)
	cmd.Env = append(os.Environ(), "M="+n.Dir)
	steps(t, n, cmd, []step{
		{"ready", func() { n.Remote("f", []byte("1\n"), 1) }},
		{"created 1", func() { n.Remote("f", []byte("2\n"), 2) }},
		{"created 2", func() { n.RemoteDelete("f", 3) }},
		{"deleted gone", nil},
	})
}

// step is a line that a watcher says and what happens after it.
type step struct {
	says string
	then func()
}

func steps(t *testing.T, n *fstest.Node, cmd *exec.Cmd, all []step) {
	t.Helper()
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdin, _ := cmd.StdinPipe()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	for lines, at := bufio.NewScanner(out), 0; at < len(all); at++ {
		if !lines.Scan() || lines.Text() != all[at].says {
			t.Errorf("step %d: %q, want %q: %s", at, lines.Text(), all[at].says, &complaints)
			cmd.Process.Kill()
			break
		}
		if all[at].then != nil {
			all[at].then()
		}
	}
	stdin.Close()
	cmd.Process.Kill()
	cmd.Wait()
}

// TestFsnotify is Go's library of that name. It is no dependency of dmfs, so it is
// tested only where the machine has it.
func TestFsnotify(t *testing.T) {
	n := fstest.Mount(t, "f")
	module := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module watcher\n\ngo 1.24\n\nrequire (\n\tgithub.com/fsnotify/fsnotify v1.9.0\n\tgolang.org/x/sys v0.49.0\n)\n",
		"main.go": `package main

import ("fmt"; "os"; "strings"; "github.com/fsnotify/fsnotify")

func main() {
	w, err := fsnotify.NewWatcher()
	if err != nil { panic(err) }
	if err := w.Add(os.Args[1]); err != nil { panic(err) }
	fmt.Println("ready")
	for e := range w.Events {
		if !strings.HasSuffix(e.Name, "/f") { continue }
		text, _ := os.ReadFile(e.Name)
		fmt.Println(e.Op, strings.TrimSpace(string(text)))
	}
}
`} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-mod=mod", "-o", "watcher", ".")
	build.Dir = module
	build.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GONOSUMDB=*", "GONOSUMCHECK=1", "GOSUMDB=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: fsnotify cannot be built here without the network: %s", out)
	}
	steps(t, n, exec.Command(filepath.Join(module, "watcher"), n.Dir), []step{
		{"ready", func() { n.Remote("f", []byte("1\n"), 1) }},
		{"CREATE 1", func() { n.Remote("f", []byte("2\n"), 2) }},
		{"CREATE 2", func() { n.RemoteDelete("f", 3) }},
		{"REMOVE ", nil},
	})
}
