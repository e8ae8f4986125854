package fs_test

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

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
