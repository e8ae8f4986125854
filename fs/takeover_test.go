package fs_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// serveLoop is a daemon in small: it applies a record for each line "NAME VERSION
// CONTENT" of its input, and executes itself anew under the live mount at
// SIGUSR2.
func serveLoop(dir, mountpoint string) error {
	var tb quiet
	signer := trusttest.Signer(1)
	ix, err := index.Open(filepath.Join(dir, "index.db"), trusttest.Policy(&tb, signer, "f", "g", "h"))
	if err != nil {
		return err
	}
	device, _ := strconv.Atoi(os.Getenv("DMFS_TEST_DEVICE"))
	f, err := fs.Mount(fs.Options{Mountpoint: mountpoint, StateDir: dir, Device: device}, ix)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewReaderSize(os.Stdin, 16); ; { // what is read ahead would be lost with the image
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			lines <- strings.TrimSpace(line)
		}
	}()
	fmt.Println("ready", device)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return errors.Join(f.Unmount(), ix.Check(), ix.Close())
			}
			var name, content string
			var version int64
			if _, err := fmt.Sscan(line, &name, &version, &content); err != nil {
				return err
			}
			r := trusttest.Record(&tb, ix.Policy(), signer, name, []byte(content), trust.Version(version))
			if _, err := ix.Apply("peer", r); err != nil {
				return err
			}
			fmt.Println("applied", name, version)
		case <-signals:
			descriptor, durable := f.Device()
			if !durable {
				return errors.New("not durable")
			}
			if err := errors.Join(f.Detach(), ix.Close()); err != nil {
				return err
			}
			if _, err := unix.FcntlInt(uintptr(descriptor), unix.F_SETFD, 0); err != nil {
				return err
			}
			os.Setenv("DMFS_TEST_DEVICE", strconv.Itoa(descriptor))
			return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
		}
	}
}

// quiet is a testing.TB outside a test.
type quiet struct{ testing.TB }

func (quiet) Helper()                      {}
func (quiet) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (quiet) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

// TestTakeOver: the mount lives on over executions of a new program. Readers see no
// error, open files keep their version, watchers stay, and a draft ends with an
// error.
func TestTakeOver(t *testing.T) {
	const rounds = 20
	dir, mnt := t.TempDir(), filepath.Join(t.TempDir(), "mnt")
	server := exec.Command(os.Args[0], dir, mnt)
	server.Env = append(os.Environ(), "DMFS_TEST_WORKER=server")
	server.Stderr = os.Stderr
	stdin, _ := server.StdinPipe()
	stdout, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		unix.Unmount(mnt, unix.MNT_DETACH)
	})
	said := bufio.NewScanner(stdout)
	hear := func(want string) {
		t.Helper()
		if !said.Scan() || !strings.HasPrefix(said.Text(), want) {
			t.Fatalf("server said %q, want %q", said.Text(), want)
		}
	}
	hear("ready 0")
	apply := func(name string, version int) {
		t.Helper()
		fmt.Fprintf(stdin, "%s %d %s-%d\n", name, version, name, version)
		hear("applied")
	}
	shell := func(line string) string {
		t.Helper()
		cmd := exec.Command("sh", "-ec", line)
		cmd.Dir = mnt
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		return string(out)
	}
	apply("f", 1)
	apply("h", 1)
	shell("until test -e f; do :; done")
	events := watch(t, mnt)
	reader := exec.Command("sh", "-ec", "exec 3<f; while ! test -e "+dir+"/stop; do cat f >/dev/null; stat -c %s f.sig >/dev/null; ls >/dev/null; done; cat <&3")
	reader.Dir = mnt
	readerOut := &strings.Builder{}
	reader.Stdout, reader.Stderr = readerOut, readerOut
	historian := exec.Command("sh", "-ec", "exec 3<1970-01-01T00:00:00.000000001Z; while ! test -e "+dir+"/stop; do cat *Z* >/dev/null || ls ../h >/dev/null; done 2>&1; cat <&3")
	historian.Dir = filepath.Join(mnt, ".dmfs/history/h")
	historianOut := &strings.Builder{}
	historian.Stdout, historian.Stderr = historianOut, historianOut
	writer := exec.Command("sh", "-c", "exec 3>g; echo open; read x; echo late >&3")
	writer.Dir = mnt
	writerIn, _ := writer.StdinPipe()
	writerOut, _ := writer.StdoutPipe()
	if err := errors.Join(reader.Start(), historian.Start(), writer.Start()); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(writerOut).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	for i := range rounds {
		if err := server.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		hear("ready ")
		apply("h", 2+i)
		apply("f", 2+i)
		for {
			if e := next(t, events); e == "MOVED_TO f" {
				break
			}
		}
		if got := shell("cat f"); got != fmt.Sprintf("f-%d", 2+i) {
			t.Fatalf("round %d: %s", i, got)
		}
	}
	fmt.Fprintln(writerIn)
	if err := writer.Wait(); err == nil {
		t.Error("a draft from before the restart ended with success")
	}
	if err := os.WriteFile(filepath.Join(dir, "stop"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := reader.Wait(); err != nil || readerOut.String() != "f-1" {
		t.Errorf("reader: %v: %s", err, readerOut)
	}
	if err := historian.Wait(); err != nil || !strings.HasSuffix(historianOut.String(), "h-1") || strings.Contains(historianOut.String(), "Stale") {
		t.Errorf("historian: %v: %s", err, historianOut)
	}
	if err := errors.Join(stdin.Close(), server.Wait()); err != nil {
		t.Errorf("server: %v", err)
	}
	if out, _ := exec.Command("findmnt", "-n", mnt).Output(); len(out) > 0 {
		t.Errorf("still mounted: %s", out)
	}
}
