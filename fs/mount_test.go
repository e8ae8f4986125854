package fs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust/trusttest"
)

func TestMountpoints(t *testing.T) {
	fstest.Need(t)
	ix := indextest.Open(t, trusttest.Policy(t, trusttest.Signer(1), "f"))
	served := fstest.Mount(t, "f")
	above := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(served.Dir), above); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	full := t.TempDir()
	for _, path := range []string{file, filepath.Join(full, "file")} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, path string
		want       error
	}{
		{"a file", file, fs.ErrNotDir},
		{"below a file", file + "/mnt", fs.ErrNotDir},
		{"not empty", full, fs.ErrNotEmpty},
		{"served", served.Dir, fs.ErrServed},
		{"served, by another path", filepath.Join(above, filepath.Base(served.Dir)), fs.ErrServed},
		{"another file system", "/proc", fs.ErrBusy},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := fs.Mount(fs.Options{Mountpoint: c.path}, ix)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if f != nil {
				t.Error("mounted all the same:", f.Unmount())
			}
		})
	}
}

// TestUnmountWithOpenFiles takes a mount away that a process is in.
func TestUnmountWithOpenFiles(t *testing.T) {
	fstest.Need(t)
	ix := indextest.Open(t, trusttest.Policy(t, trusttest.Signer(1), "f"))
	dir := filepath.Join(t.TempDir(), "mnt")
	f, err := fs.Mount(fs.Options{Mountpoint: dir}, ix)
	if err != nil {
		t.Fatal(err)
	}
	inside := exec.Command("sh", "-c", "echo in; read x")
	inside.Dir = dir
	stdin, _ := inside.StdinPipe()
	stdout, _ := inside.StdoutPipe()
	if err := inside.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdout.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := f.Unmount(); err != nil {
		t.Errorf("unmount: %v", err)
	}
	if out, _ := exec.Command("findmnt", "-n", dir).Output(); len(out) > 0 {
		t.Errorf("still mounted: %s", out)
	}
	if err := errors.Join(stdin.Close(), inside.Wait()); err == nil {
		t.Error("read reported success at the end of its input")
	}
	fstest.End(t, f)
}

// TestRemount shows what an index holds at once, with the same inode numbers.
func TestRemount(t *testing.T) {
	fstest.Need(t)
	signer := trusttest.Signer(1)
	p := trusttest.Policy(t, signer, "a/b")
	path := filepath.Join(t.TempDir(), "index.db")
	dir := filepath.Join(t.TempDir(), "mnt")
	var inodes []string
	for i := range 2 {
		ix, err := index.Open(path, p)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := ix.Apply("peer", trusttest.Record(t, p, signer, "a/b", []byte("kept\n"), 1)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := fs.Mount(fs.Options{Mountpoint: dir}, ix)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", "cat "+dir+"/a/b && ls -iR "+dir).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		inodes = append(inodes, string(out))
		if err := errors.Join(f.Unmount(), ix.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if inodes[0] != inodes[1] || !strings.HasPrefix(inodes[0], "kept\n") {
		t.Errorf("before: %s\nafter: %s", inodes[0], inodes[1])
	}
}

// TestOtherUsers may read and not write.
func TestOtherUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root to become another user")
	}
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("x\n"), 100)
	n.Must("cp f f.sig $M/; chmod -R a+rX .")
	openPath(t, n)
	for _, c := range []struct {
		line string
		ok   bool
	}{
		{"cat $M/f $M/f.sig && ls -l $M", true},
		{"test -r $M/f", true},
		{"test ! -w $M/f", true},
		{"echo y >$M/f", false},
		{"echo y >$M/g", false},
		{"echo y >>$M/f", false},
		{"chmod 777 $M/f", false},
		{"truncate -s 0 $M/f", false},
	} {
		if out, ok := n.Shell("setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '" + c.line + "'"); ok != c.ok {
			t.Errorf("%s: %v %s", c.line, ok, out)
		}
	}
}

// openPath lets other users reach the mount, as far as it lets them.
func openPath(t *testing.T, n *fstest.Node) {
	t.Helper()
	for dir := filepath.Dir(n.Dir); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnsignedChanges are refused with EPERM and change nothing.
func TestUnsignedChanges(t *testing.T) {
	n := fstest.Mount(t, "f", "d/g")
	n.Pair("f", []byte("x\n"), 100)
	n.Must("cp f f.sig $M/; echo t >t")
	for _, line := range []string{
		"rm $M/f", "rm $M/f.sig", "mv $M/f $M/h", "mv $M/f f2", "mv $M/f $M/d/g", "mkdir $M/new", "rmdir $M/d", "ln $M/f $M/l", "ln -s f $M/l",
		"mkfifo $M/p", "mv $M/d $M/e", "rm -r $M/d", "install t $M/f", "cp --remove-destination t $M/f", "rm $M/.dmfs/status.json", "mkdir $M/.dmfs/x",
	} {
		if out, ok := n.Shell(line); ok || !strings.Contains(out, "Operation not permitted") {
			t.Errorf("%s: %v %s", line, ok, out)
		}
	}
	if out := n.Must("ls -A $M; cat $M/f"); out != "d\nf\nf.sig\nx\n" {
		t.Errorf("the mount changed: %s", out)
	}
}

// TestDead takes the mount of a killed server away.
func TestDead(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root to make a dead mount")
	}
	fstest.Need(t)
	dir := t.TempDir()
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("dmfs", dir, "fuse.dmfs", 0, "fd="+strconv.Itoa(device)+",rootmode=40000,user_id=0,group_id=0"); err != nil {
		t.Fatal(err)
	}
	unix.Close(device)
	ix := indextest.Open(t, trusttest.Policy(t, trusttest.Signer(1), "f"))
	f, err := fs.Mount(fs.Options{Mountpoint: dir}, ix)
	if err != nil {
		t.Fatalf("over a dead mount: %v", err)
	}
	if err := f.Unmount(); err != nil {
		t.Error(err)
	}
	if out, _ := exec.Command("findmnt", "-n", dir).Output(); len(out) > 0 {
		t.Errorf("still mounted: %s", out)
	}
}
