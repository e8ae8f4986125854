package fs_test

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/fs/fstest"
)

// watch starts inotifywait on a path and returns its events, one line each,
// beginning after the watch is in place.
func watch(t *testing.T, path string, options ...string) *bufio.Scanner {
	t.Helper()
	cmd := exec.Command("inotifywait", append(options, "-m", "--format", "%e %f", path)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	messages, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		if strings.Contains(lines.Text(), "Watches established") {
			return bufio.NewScanner(out)
		}
	}
	t.Fatal("inotifywait ended")
	return nil
}

// next returns the next event that is not about somebody reading.
func next(t *testing.T, events *bufio.Scanner) string {
	t.Helper()
	for events.Scan() {
		if e := events.Text(); !strings.Contains(e, "OPEN") && !strings.Contains(e, "ACCESS") && !strings.Contains(e, "NOWRITE") {
			return e
		}
	}
	t.Fatal("no more events")
	return ""
}

func TestRemoteEvents(t *testing.T) {
	n := fstest.Mount(t, "a", "dns/cnames", "dns/zone")
	root, dir := watch(t, n.Dir), watch(t, n.Dir+"/dns")
	n.Remote("a", []byte("1"), 1)
	expect(t, root, "MOVED_TO a")
	n.Must("test $(cat $M/a) = 1 && cat $M/a.sig")
	file := watch(t, n.Dir+"/a")
	n.Remote("a", []byte("2"), 2)
	expect(t, root, "MOVED_TO a")
	expect(t, file, "ATTRIB ")
	expect(t, file, "DELETE_SELF ")
	n.Must("test $(cat $M/a) = 2")
	n.Remote("dns/cnames", []byte("x"), 1)
	expect(t, dir, "MOVED_TO cnames")
	n.RemoteDelete("dns/cnames", 2)
	expect(t, dir, "DELETE cnames")
	n.Must("test ! -e $M/dns/cnames && test ! -e $M/dns/cnames.sig")
	n.Remote("dns/cnames", []byte("y"), 3)
	expect(t, dir, "MOVED_TO cnames")
	n.RemoteDelete("a", 9)
	expect(t, root, "DELETE a")
	n.Must("test $(cat $M/dns/cnames) = y && test -z \"$(ls $M | grep a)\"")
}

func expect(t *testing.T, events *bufio.Scanner, want string) {
	t.Helper()
	if got := next(t, events); got != want {
		t.Fatalf("event %q, want %q", got, want)
	}
}

// TestSameContentWakesNobody: between two changes of content there is one event
// each, however often the same content was signed anew.
func TestSameContentWakesNobody(t *testing.T) {
	n := fstest.Mount(t, "a")
	n.Remote("a", []byte("1"), 1)
	n.Must("until test -e $M/a; do :; done")
	events := watch(t, n.Dir)
	n.Remote("a", []byte("1"), 2)
	n.Remote("a", []byte("1"), 3)
	n.Remote("a", []byte("2"), 4)
	expect(t, events, "MOVED_TO a")
	n.Must("test $(cat $M/a) = 2")
	n.RemoteDelete("a", 5)
	expect(t, events, "DELETE a")
}

// TestLocalDeletion: a tombstone is a signature alone.
func TestLocalDeletion(t *testing.T) {
	n := fstest.Mount(t, "a")
	n.Remote("a", []byte("1"), 1)
	n.Must("until test -e $M/a; do :; done")
	events := watch(t, n.Dir)
	n.Tombstone("a", 2)
	n.Must("cp a.sig $M/ && test ! -e $M/a && test -z \"$(ls $M)\"")
	for {
		if e := next(t, events); e == "DELETE a" {
			break
		}
	}
	n.Pair("a", []byte("old"), 1)
	if out, ok := n.Shell("cp a a.sig $M/"); ok || !strings.Contains(out, "Stale") {
		t.Errorf("an older version after a deletion: %v %s", ok, out)
	}
	n.Pair("a", []byte("new"), 3)
	n.Must("cp a a.sig $M/ && cmp a $M/a")
}

// TestStorm delivers many changes while programs list, read and stat.
func TestStorm(t *testing.T) {
	const files, rounds = 20, 25
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprintf("d%d/f%d", i%3, i)
	}
	n := fstest.Mount(t, names...)
	stop := filepath.Join(n.Work, "stop")
	reader := exec.Command("sh", "-c", "while test ! -e "+stop+"; do ls -lR $M >/dev/null; cat $M/*/* >/dev/null; done")
	reader.Env = append(reader.Environ(), "M="+n.Dir)
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	for r := range rounds {
		for _, name := range names {
			if r%5 == 4 {
				n.RemoteDelete(name, int64(r+1))
			} else {
				n.Remote(name, fmt.Appendf(nil, "%s %d\n", name, r), int64(r+1))
			}
		}
	}
	for _, name := range names {
		n.Remote(name, []byte(name+" last\n"), 1000)
	}
	for _, name := range names {
		n.Must(fmt.Sprintf(`until test "$(cat $M/%s 2>/dev/null)" = "%s last"; do :; done`, name, name))
	}
	n.Must("touch stop")
	if err := reader.Wait(); err != nil {
		t.Logf("the last listing ran into a change, as on every file system: %v", err)
	}
}

// TestListing finds every name and signature once, in directories larger than
// one answer.
func TestListing(t *testing.T) {
	const files = 1000
	names := []string{"top", "sub/deep/x"}
	for i := range files {
		names = append(names, fmt.Sprintf("many/name-%04d", i))
	}
	n := fstest.Mount(t, names...)
	for _, name := range names {
		n.Remote(name, []byte(name), 1)
	}
	n.Must(fmt.Sprintf("until test $(ls $M/many | wc -l) = %d; do :; done", 2*files))
	if got := n.Must("ls $M/many | sort -u | wc -l; ls -l $M/many | grep -c ^-r--r--r--"); strings.Join(strings.Fields(got), " ") != "2000 2000" {
		t.Errorf("got %s", got)
	}
	if got := n.Must("cd $M && find . -type d | sort; ls -A; ls .dmfs; cat .dmfs/status.json"); got != ".\n./many\n./sub\n./sub/deep\nmany\nsub\ntop\ntop.sig\nhistory\nstatus.json\n{}\n" {
		t.Errorf("got %s", got)
	}
}
