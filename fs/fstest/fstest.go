// Package fstest mounts an index for a test. Only tests import it.
//
// A test must not touch its own mount from its own process, since the Go
// runtime may wait for a system call that waits for the server in the same process: use
// programs (Run, Shell), as users do.
package fstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"

	"dmfs/fs"
	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// Node is a mounted index, with one signer who may sign every name of the
// policy, and a directory outside the mount to prepare files in.
type Node struct {
	*fs.FS
	t      testing.TB
	Dir    string // the mount
	Work   string // somewhere else
	Index  *index.Index
	Signer *trust.Signer

	options fs.Options
}

// patience is how long a command line may take before the test fails.
const patience = 20 * time.Second

// Need skips the test where FUSE is missing, which never happens in CI.
func Need(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("/dev/fuse is missing")
	}
	t.Skip("SKIPPED: /dev/fuse is missing, the mount is not tested")
}

// Program returns the path of the first of the programs that is installed. The
// test is skipped where none is, which never happens in CI.
func Program(t testing.TB, candidates ...string) string {
	t.Helper()
	for _, c := range candidates {
		if path, err := exec.LookPath(c); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("none of %v is installed", candidates)
	}
	t.Skipf("SKIPPED: none of %v is installed", candidates)
	return ""
}

// Eventually waits for a condition.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); !holds(); {
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// Mount mounts a new index under a policy that declares names, and takes it
// away and checks the index when the test ends.
func Mount(t testing.TB, names ...string) *Node {
	t.Helper()
	return MountWith(t, fs.Options{}, names...)
}

// MountWith does the same with options, of which it sets the places.
func MountWith(t testing.TB, o fs.Options, names ...string) *Node {
	t.Helper()
	return mount(t, o, trusttest.Policy(t, trusttest.Signer(1), names...))
}

func mount(t testing.TB, o fs.Options, p *trust.Policy) *Node {
	t.Helper()
	Need(t)
	work := t.TempDir()
	ix, err := index.Open(filepath.Join(t.TempDir(), "index.db"), p)
	if err != nil {
		t.Fatal(err)
	}
	o.Mountpoint, o.StateDir, o.AllowOther = filepath.Join(t.TempDir(), "mnt"), work, os.Getuid() == 0
	o.Pages = []fs.Page{{Name: "status.json", Render: func() ([]byte, error) { return []byte("{}\n"), nil }}}
	f, err := fs.Mount(o, ix)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{FS: f, t: t, Dir: f.Mountpoint(), Work: work, Index: ix, Signer: trusttest.Signer(1), options: o}
	t.Cleanup(n.close)
	return n
}

// Restart takes the mount away and mounts the same index there anew.
func (n *Node) Restart() {
	n.t.Helper()
	End(n.t, n.FS)
	n.again(0)
}

// TakeOver has another FS serve the live mount, as the next process does, at a moment
// when nobody asks for anything: unlike a process that ends, the former FS may swallow a request.
func (n *Node) TakeOver() {
	n.t.Helper()
	device, durable := n.Device()
	if !durable {
		n.t.Skip("SKIPPED: this kernel does not let a mount be taken over")
	}
	if err := n.Detach(); err != nil {
		n.t.Fatal(err)
	}
	n.again(device)
}

func (n *Node) again(device int) {
	n.t.Helper()
	n.options.Device = device
	f, err := fs.Mount(n.options, n.Index)
	if err != nil {
		n.t.Fatal(err)
	}
	n.FS = f
}

func (n *Node) close() {
	End(n.t, n.FS)
	if err := n.Index.Check(); err != nil {
		n.t.Errorf("check: %v", err)
	}
	if err := n.Index.Close(); err != nil {
		n.t.Errorf("close: %v", err)
	}
}

// End unmounts and waits until the kernel has ended the connection. A mount
// namespace that somebody made meanwhile, as a container has, keeps a copy of the mount and so the
// connection: then it is aborted.
func End(t testing.TB, f *fs.FS) {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(f.Mountpoint()))
	if err := errors.Join(err, f.Unmount()); err != nil {
		t.Errorf("unmount: %v", err)
	}
	select {
	case <-f.Done():
		return
	case <-time.After(time.Second):
	}
	for _, m := range mounts {
		if err := os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", m.Minor), []byte("1"), 0o200); err != nil {
			t.Logf("abort: %v", err)
		}
	}
	select {
	case <-f.Done():
	case <-time.After(time.Second):
		t.Logf("something outside still holds the mount that was on %s", f.Mountpoint())
	}
}

// Pair writes a content and its signature beside the mount and returns their
// paths. The version is in seconds.
func (n *Node) Pair(name string, content []byte, version int64) (file, signature string) {
	n.t.Helper()
	file = filepath.Join(n.Work, filepath.Base(name))
	text := trusttest.Sign(n.t, n.Signer, name, content, trust.Version(version*1e9))
	for path, data := range map[string][]byte{file: content, file + ".sig": text} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			n.t.Fatal(err)
		}
	}
	return file, file + ".sig"
}

// Remote applies a record as if another node had sent it.
func (n *Node) Remote(name string, content []byte, version int64) {
	n.t.Helper()
	n.Apply(n.Record(name, content, version))
}

// Record signs a content as another node's user would.
func (n *Node) Record(name string, content []byte, version int64) trust.Record {
	n.t.Helper()
	return trusttest.Record(n.t, n.Index.Policy(), n.Signer, name, content, trust.Version(version*1e9))
}

// RemoteDelete applies a tombstone likewise.
func (n *Node) RemoteDelete(name string, version int64) {
	n.t.Helper()
	n.Apply(trusttest.Tombstone(n.t, n.Index.Policy(), n.Signer, name, trust.Version(version*1e9)))
}

// Apply applies records in one transaction as if another node had sent them.
func (n *Node) Apply(records ...trust.Record) {
	n.t.Helper()
	outcomes, err := n.Index.Apply("peer", records...)
	for _, o := range outcomes {
		err = errors.Join(err, o.Err)
	}
	if err != nil {
		n.t.Fatalf("apply: %v", err)
	}
}

// Shell runs a command line of sh, with the mount in $M and the other directory
// as working directory, and returns what it printed and whether it succeeded.
func (n *Node) Shell(line string) (output string, ok bool) {
	n.t.Helper()
	return n.Run("sh", "-c", line)
}

// Run runs a program likewise.
func (n *Node) Run(program string, args ...string) (output string, ok bool) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it started ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Dir = n.Work
	cmd.Env = append(os.Environ(), "M="+n.Dir, "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		n.t.Fatalf("%s %q: no end after %v: %s", program, args, patience, &out)
	}
	return out.String(), err == nil
}

// Must runs a command line that has to succeed.
func (n *Node) Must(line string) string {
	n.t.Helper()
	out, ok := n.Shell(line)
	if !ok {
		n.t.Fatalf("%s: failed: %s", line, out)
	}
	return out
}

// Tombstone writes a signed deletion beside the mount and returns its path.
func (n *Node) Tombstone(name string, version int64) (signature string) {
	n.t.Helper()
	r := trusttest.Tombstone(n.t, n.Index.Policy(), n.Signer, name, trust.Version(version*1e9))
	signature = filepath.Join(n.Work, filepath.Base(name)+".sig")
	if err := os.WriteFile(signature, r.Signature(), 0o644); err != nil {
		n.t.Fatal(err)
	}
	return signature
}
