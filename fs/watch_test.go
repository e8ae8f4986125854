package fs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/fs/fstest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestDirectoriesComeAndGo with the policy, and watchers of what is above them
// are told.
func TestDirectoriesComeAndGo(t *testing.T) {
	n := fstest.Mount(t, "a")
	root := watch(t, n.Dir)
	setPolicy(t, n, "a", "dns/deep/zone")
	expect(t, root, "CREATE,ISDIR dns")
	n.Must("test -d $M/dns/deep")
	dns, deep := watch(t, n.Dir+"/dns"), watch(t, n.Dir+"/dns/deep")
	n.Remote("dns/deep/zone", []byte("z\n"), 1)
	expect(t, deep, "MOVED_TO zone")
	setPolicy(t, n, "a")
	expect(t, deep, "DELETE zone")
	expect(t, deep, "DELETE_SELF ")
	expect(t, dns, "DELETE,ISDIR deep")
	expect(t, root, "DELETE,ISDIR dns")
	n.Must("test ! -e $M/dns")
	setPolicy(t, n, "a", "dns/deep/zone")
	expect(t, root, "CREATE,ISDIR dns")
	n.Must("until test -e $M/dns/deep/zone; do :; done; cat $M/dns/deep/zone")
}

func setPolicy(t *testing.T, n *fstest.Node, names ...string) {
	t.Helper()
	putInForce(t, n, trusttest.Policy(t, n.Signer, names...))
}

// putInForce puts a policy in force and waits until the mount shows it.
func putInForce(t *testing.T, n *fstest.Node, p *trust.Policy) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := errors.Join(n.Index.SetPolicy(p), n.Refresh(ctx)); err != nil {
		t.Fatal(err)
	}
}

// TestExpiry: a file whose lifetime is over goes like a deleted one.
func TestExpiry(t *testing.T) {
	n := fstest.Mount(t, "a")
	content := []byte("short-lived\n")
	text, err := n.Signer.Sign(trust.DigestOf(content), trust.Statement{Name: trusttest.Name(t, "a"), Version: trust.VersionAt(time.Now()), TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.Index.Policy().Verify(trust.NewClaim(trusttest.Name(t, "a"), text, content), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	events := watch(t, n.Dir)
	n.Apply(r)
	expect(t, events, "MOVED_TO a")
	file := watch(t, n.Dir+"/a")
	expect(t, events, "DELETE a")
	expect(t, file, "ATTRIB ")
	expect(t, file, "DELETE_SELF ")
}

// TestCloseWriteIsNotEnough: changes from elsewhere are renames. A watcher of
// IN_CLOSE_WRITE alone sees only what is written on its own machine.
func TestCloseWriteIsNotEnough(t *testing.T) {
	n := fstest.Mount(t, "f", "g")
	n.Pair("g", []byte("local\n"), 1)
	narrow := watch(t, n.Dir, "-e", "close_write")
	wide := watch(t, n.Dir, "-e", "close_write,moved_to,delete")
	n.Remote("f", []byte("1\n"), 1)
	n.Remote("f", []byte("2\n"), 2)
	expect(t, wide, "MOVED_TO f")
	n.RemoteDelete("f", 3)
	for next(t, wide) != "DELETE f" {
	}
	n.Must("cp g g.sig $M/")
	expect(t, narrow, "CLOSE_WRITE,CLOSE g")
}

// TestRefusedWriteDeafensNobody: a watcher of the file itself sees the next
// change, whatever writers tried on its name before.
func TestRefusedWriteDeafensNobody(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("1\n"), 1)
	n.Must("until test -e $M/f; do :; done")
	file := watch(t, n.Dir+"/f", "-e", "attrib,delete_self,move_self")
	n.Must(`for i in 1 2 3; do echo forged >$M/f; cat $M/f >/dev/null; done; echo x >x; ! cp x $M/f.sig; python3 -c 'import os; m = os.environ["M"]
for i in range(20):
    fd = os.open(m + "/f", os.O_RDWR); os.write(fd, b"y"); os.close(fd)'`)
	n.Remote("f", []byte("2\n"), 2)
	expect(t, file, "ATTRIB ")
	expect(t, file, "DELETE_SELF ")
}

// TestTail: -F goes over to each new version, -f stays with the one that it
// opened, as with every atomic replacement.
func TestTail(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("one\n"), 1)
	n.Must("until test -e $M/f; do :; done")
	for _, c := range []struct {
		option string
		want   []string
	}{{"-F", []string{"one", "two", "three"}}, {"-f", []string{"three"}}} {
		cmd := exec.Command("tail", c.option, "-s", "0.05", n.Dir+"/f")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i, want := range c.want {
			if !lines.Scan() || lines.Text() != want {
				t.Errorf("tail %s says %q, want %q", c.option, lines.Text(), want)
			}
			if i+1 < len(c.want) {
				n.Remote("f", []byte(c.want[i+1]+"\n"), int64(10+i))
			}
		}
		if c.option == "-f" {
			n.Remote("f", []byte("four\n"), 20)
			n.Must("until test $(cat $M/f) = four; do :; done")
		}
		cmd.Process.Kill()
		for lines.Scan() {
			t.Errorf("tail %s also says %q", c.option, lines.Text())
		}
		cmd.Wait()
	}
}

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
