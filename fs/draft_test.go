package fs_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dmfs/fs"
	"dmfs/fs/fstest"
)

// TestI9DraftBounds: who is over the limits gets EDQUOT and can go on when
// something is free again.
func TestI9DraftBounds(t *testing.T) {
	n := fstest.MountWith(t, fs.Options{MaxDrafts: 3, MaxDraftBytes: 100_000}, "f")
	n.Pair("f", []byte("small\n"), 1)
	out := n.Must(`python3 -c '
import os
m = os.environ["M"]
def attempt(what, call):
    try: call(); print(what, "ok")
    except OSError as e: print(what, e.strerror)
new = lambda i: os.open(m + "/t%d" % i, os.O_WRONLY | os.O_CREAT)
fds = [new(i) for i in range(3)]
attempt("fourth", lambda: new(4))
os.unlink(m + "/t0"); os.close(fds[0])
attempt("after unlink and close", lambda: fds.append(new(4)))
attempt("much", lambda: os.write(fds[1], bytes(99_999)))
attempt("too much", lambda: os.write(fds[2], bytes(2)))
attempt("sparse", lambda: os.pwrite(fds[2], b"x", 50_000))
os.ftruncate(fds[1], 10)
attempt("after truncate", lambda: os.write(fds[2], bytes(90_000)))
attempt("over", lambda: os.ftruncate(fds[2], 99_991))
'`)
	want := "fourth Disk quota exceeded\nafter unlink and close ok\nmuch ok\ntoo much Disk quota exceeded\nsparse Disk quota exceeded\nafter truncate ok\nover Disk quota exceeded\n"
	if out != want {
		t.Errorf("got %s, want %s", out, want)
	}
	noDrafts(t, n)
	n.Must("cp f f.sig $M/ && cmp f $M/f")
}

// noDrafts waits until nothing is left of a program that has ended.
func noDrafts(t *testing.T, n *fstest.Node) {
	t.Helper()
	fstest.Eventually(t, "no drafts", func() bool {
		number, bytes := n.Drafts()
		return number == 0 && bytes == 0
	})
}

// TestOneUserCannotTakeAnothersDrafts: limits are per user.
func TestOneUserCannotTakeAnothersDrafts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root to become another user")
	}
	n := fstest.MountWith(t, fs.Options{MaxDrafts: 2, DirMode: 0o777}, "f")
	openPath(t, n)
	n.Pair("f", []byte("x\n"), 1)
	out := n.Must(`setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'touch $M/f $M/f.sig; touch $M/other 2>&1'; cp f f.sig $M/ && cmp f $M/f`)
	if !strings.Contains(out, "Disk quota exceeded") {
		t.Errorf("got %s", out)
	}
}

// TestDraftAge: a half waits as long as it is told to and is then forgotten.
func TestDraftAge(t *testing.T) {
	n := fstest.MountWith(t, fs.Options{DraftAge: 50 * time.Millisecond}, "f")
	n.Pair("f", []byte("x\n"), 1)
	n.Must(`python3 -c '
import os
m = os.environ["M"]
open(m + "/f", "w").close()
while os.path.exists(m + "/f"): pass
kept = os.open(m + "/f", os.O_WRONLY | os.O_CREAT)
open(m + "/f.sig", "w").close()
while os.path.exists(m + "/f.sig"): pass
assert os.path.exists(m + "/f"), "a half that is open must stay"
os.close(kept)
'`)
	noDrafts(t, n)
	n.Must("cp f.sig f $M/ && cmp f $M/f")
	patient := fstest.Mount(t, "f")
	patient.Pair("f", []byte("x\n"), 1)
	patient.Must("cp f $M/")
	if number, bytes := patient.Drafts(); number != 1 || bytes != 2 {
		t.Errorf("%d drafts of %d bytes, want the half", number, bytes)
	}
	patient.Must("cp f.sig $M/ && cmp f $M/f")
	noDrafts(t, patient)
}

// TestWaitedInVain: who copied one half learns in the end that the other one never came. What is in
// place already, or never could be, needs none.
func TestWaitedInVain(t *testing.T) {
	n := fstest.MountWith(t, fs.Options{DraftAge: 50 * time.Millisecond}, "f", "g", "h", "i")
	n.Remote("f", []byte("x\n"), 1)
	n.Must("until test -e $M/f; do :; done; echo x >$M/f; echo x >$M/temporary; : >$M/i")
	noDrafts(t, n)
	n.Pair("h", []byte("x\n"), 1)
	n.Must("echo x >$M/g; cp h.sig $M/")
	fstest.Eventually(t, "two refusals", func() bool { return len(n.Index.Refusals()) >= 2 })
	said := ""
	for _, r := range n.Index.Refusals() {
		said += r.Reason + "\n"
	}
	for _, want := range []string{"g: a content came, and no signature of it\n", "h: a signature came, and not the content that it signs\n"} {
		if strings.Count(said, "\n") != 2 || !strings.Contains(said, want) {
			t.Errorf("%q, and not %q", said, want)
		}
	}
}

// TestTemporaryNames are seen by their own process and by nobody else, and go
// with it.
func TestTemporaryNames(t *testing.T) {
	n := fstest.Mount(t, "x", "d/y")
	names := ".x.Ab12 x~ 4913 .x.swp d/.y.Zz9 d/sedAbC123 #x# x.tmp.sig"
	cmd := exec.Command("python3", "-c", `import os, sys
os.chdir(os.environ["M"])
fds = [os.open(n, os.O_RDWR | os.O_CREAT | os.O_EXCL) for n in sys.argv[1].split()]
for fd in fds: os.write(fd, b"temporary")
print(all(os.stat(n).st_size == 9 for n in sys.argv[1].split()), os.listdir("."), os.listdir("d"), flush=True)
sys.stdin.read()
os._exit(0)`, names)
	cmd.Env = append(os.Environ(), "M="+n.Dir)
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || got != "True ['d'] []\n" {
		t.Errorf("the process itself sees %q, %v", got, err)
	}
	out := n.Must("cd $M; find . ; for n in " + strings.ReplaceAll(names, "#", `\#`) + "; do test ! -e $n || echo sees $n; cat $n 2>&1; done; true")
	if strings.Contains(out, "sees") || strings.Contains(out, "temporary") || !strings.HasPrefix(out, ".\n./d\ncat: ") {
		t.Errorf("others see %s", out)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	noDrafts(t, n)
	if n.Index.Seq() != 0 || len(n.Index.Entries()) != 0 {
		t.Error("a temporary name reached the index")
	}
}

// TestKilledWriter: what a killed program left does not stand in the way.
func TestKilledWriter(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("shown\n"), 1)
	n.Must("cp f f.sig $M/")
	n.Pair("f", []byte("next, longer\n"), 2)
	for _, half := range []string{"f", "f.sig"} {
		if out, ok := n.Shell(`python3 -c 'import os,sys; os.write(os.open(sys.argv[1], os.O_WRONLY|os.O_CREAT|os.O_TRUNC), open(sys.argv[2], "rb").read()[:7]); os.kill(os.getpid(), 9)' $M/` + half + " " + half); ok {
			t.Errorf("the killed program succeeded: %s", out)
		}
		n.Must("test $(cat $M/f) = shown")
	}
	n.Must("cp f f.sig $M/ && cmp f $M/f && cmp f.sig $M/f.sig")
}

// TestEmptyHalfIsNotBlamed: a file that was only touched spoils no pair.
func TestEmptyHalfIsNotBlamed(t *testing.T) {
	n := fstest.Mount(t, "f", "g")
	for _, c := range [][2]string{{"f.sig", "f f.sig"}, {"g", "g.sig g"}} {
		n.Pair(c[0][:1], []byte("x\n"), 1)
		n.Must("touch $M/" + c[0] + " && cp " + c[1] + " $M/")
	}
	n.Must("cmp f $M/f && cmp g $M/g")
}

// TestRefusedRename leaves the temporary file, and what it should have replaced,
// to the tool.
func TestRefusedRename(t *testing.T) {
	n := fstest.Mount(t, "f")
	out := n.Must(`python3 -c '
import os
m = os.environ["M"]
def put(name, text):
    with open(m + "/" + name, "w") as o: o.write(text)
put("f.sig", "an older draft")
' 2>&1 || true; python3 -c '
import os
m = os.environ["M"]
fd = os.open(m + "/f", os.O_WRONLY | os.O_CREAT); os.write(fd, b"content")
with open(m + "/tmp", "w") as o: o.write("garbage")
try: os.rename(m + "/tmp", m + "/f.sig")
except OSError as e: print(e.strerror)
print(os.path.exists(m + "/tmp"), os.stat(m + "/tmp").st_size)
with open(m + "/new", "w") as o: o.write("other")
os.rename(m + "/new", m + "/f")
print(os.stat(m + "/f").st_size, os.fstat(fd).st_nlink, os.path.exists(m + "/new"))
os.unlink(m + "/tmp"); os.unlink(m + "/f")
print(os.path.exists(m + "/tmp"), os.path.exists(m + "/f"))
os.write(fd, b" into nothing"); os.close(fd)
a = os.open(m + "/a", os.O_WRONLY | os.O_CREAT)
b = os.open(m + "/b", os.O_WRONLY | os.O_CREAT)
import ctypes
print(ctypes.CDLL(None, use_errno=True).renameat2(-100, (m+"/a").encode(), -100, (m+"/b").encode(), 1), os.strerror(ctypes.get_errno()))
'`)
	if !strings.HasSuffix(out, "Bad message\nTrue 7\n5 0 False\nFalse False\n-1 Success\n") && !strings.HasSuffix(out, "Bad message\nTrue 7\n5 0 False\nFalse False\n-1 File exists\n") {
		t.Errorf("got %s", out)
	}
	noDrafts(t, n)
}

// TestUsualSequences are what the tables of file systems ask about: appending,
// reading while writing, and a half rewritten after it was part of a record.
func TestUsualSequences(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("one\n"), 1)
	n.Must("cp f f.sig $M/")
	n.Pair("f", []byte("one\nmore\n"), 2)
	n.Must("echo more >>$M/f && cp f.sig $M/ && cmp f $M/f")
	n.Pair("f", []byte("one\nMORE\n"), 3)
	n.Must(`python3 -c '
import os
with open(os.environ["M"] + "/f", "r+b") as o:
    assert o.read() == b"one\nmore\n"
    o.seek(4); o.write(b"MORE")
' && cp f.sig $M/ && cmp f $M/f`)
	for i := range 3 {
		content := fmt.Sprintf("again %d\n", i)
		n.Pair("f", []byte(content), int64(10+i))
		n.Must(fmt.Sprintf("cp f c%d; cp f.sig s%[1]d", i))
	}
	n.Must(`python3 -c '
import os
m = os.environ["M"]
c, s = (os.open(m + "/" + n, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for n in ("f", "f.sig"))
def put(fd, path):
    os.ftruncate(fd, 0)
    os.pwrite(fd, open(path, "rb").read(), 0)
    os.close(os.dup(fd))
for i in range(3):
    put(c, "c%d" % i); put(s, "s%d" % i)
    assert open(m + "/f").read() == "again %d\n" % i, i
'`)
	noDrafts(t, n)
}

// TestLongNames: the longest name, whose signature other file systems can hold too.
func TestLongNames(t *testing.T) {
	names := []string{strings.Repeat("n", 251), strings.Repeat("d", 200) + "/" + strings.Repeat("p", 251)}
	n := fstest.Mount(t, names...)
	for i, name := range names {
		n.Remote(name, []byte(name), 1)
		n.Must("until test -e $M/" + name + "; do :; done; test $(cat $M/" + name + ") = " + name + "; cat $M/" + name + ".sig >sig; rm -f copy; cp $M/" + name + " copy")
		n.Must(fmt.Sprintf("ls -R $M | grep -c '^%s$'", name[strings.LastIndexByte(name, '/')+1:]))
		if i == 0 {
			file, signature := n.Pair(name, []byte("new"), 2)
			n.Must(fmt.Sprintf("cp %s %s $M/ && cmp %[1]s $M/%[3]s", file, signature, name))
		}
	}
	if out, ok := n.Shell("echo x >$M/" + strings.Repeat("q", 256)); ok || !strings.Contains(out, "Invalid argument") && !strings.Contains(out, "too long") {
		t.Errorf("a part of 256 bytes: %v %s", ok, out)
	}
}

// TestTenWriters: one of the pairs wins, the latest; every other writer is told
// why not or was superseded.
func TestTenWriters(t *testing.T) {
	n := fstest.MountWith(t, fs.Options{DraftAge: 100 * time.Millisecond}, "f")
	n.Remote("f", []byte("before\n"), 1) // else cp's O_EXCL fails too, as on every file system
	n.Must("until test -e $M/f; do :; done")
	for i := range 10 {
		n.Pair("f", fmt.Appendf(nil, "writer %d\n", i), int64(i+2))
		n.Must(fmt.Sprintf("mkdir w%d; mv f f.sig w%[1]d/", i))
	}
	out := n.Must("for i in 0 1 2 3 4 5 6 7 8 9; do (cp w$i/f w$i/f.sig $M/ 2>said$i || echo failed >>said$i) & done; wait; cat said*; cat $M/f")
	if !strings.HasSuffix(out, "writer 9\n") || strings.Count(out, "\nfailed\n") != strings.Count(out, "Stale file handle") {
		t.Errorf("got %s", out)
	}
	noDrafts(t, n)
}

// TestSplitPair: the halves come from two programs with others in between.
func TestSplitPair(t *testing.T) {
	n := fstest.Mount(t, "f", "g")
	n.Pair("g", []byte("between\n"), 1)
	n.Pair("f", []byte("split\n"), 1)
	n.Must("cp f $M/ && ls $M >/dev/null && cp g g.sig $M/ && test ! -e $M/f && cat f.sig >$M/f.sig && cmp f $M/f")
}
