package fs_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/trust"
)

// TestReaders runs what people read files with.
func TestReaders(t *testing.T) {
	n := fstest.Mount(t, "a", "d/b", "big")
	n.Remote("a", []byte("alpha\n"), 1000)
	n.Remote("d/b", []byte("beta\n"), 2000)
	n.Remote("big", []byte(strings.Repeat("0123456789abcde\n", 20_000)), 3000)
	n.Must("until test -e $M/big; do :; done")
	for _, c := range []struct {
		name  string
		needs []string
		line  string
		want  string
	}{
		{"cat", nil, "cat $M/a $M/d/b", "alpha\nbeta\n"},
		{"cp", nil, "cp $M/a copy && cat copy", "alpha\n"},
		{"cp -a", nil, "cp -a $M/. tree && find tree -type f | sort && stat -c '%a %Y' tree/a", "tree/a\ntree/a.sig\ntree/big\ntree/big.sig\ntree/d/b\ntree/d/b.sig\n444 1000\n"},
		{"head and tail", nil, "head -c 5 $M/big; tail -n 1 $M/big; tail -c +319990 $M/big | wc -c", "012340123456789abcde\n11\n"},
		{"dd", nil, "dd if=$M/big bs=1 skip=319984 count=4 status=none; dd if=$M/big bs=64k iflag=direct status=none | wc -c", "0123320000\n"},
		{"mmap", nil, `python3 -c 'import mmap,os
fd = os.open(os.environ["M"]+"/big", os.O_RDONLY)
for kind in mmap.MAP_SHARED, mmap.MAP_PRIVATE:
    m = mmap.mmap(fd, 0, kind, mmap.PROT_READ); print(m[319999-15:319999].decode(), len(m))'`, "0123456789abcde 320000\n0123456789abcde 320000\n"},
		{"sendfile and splice", nil, `python3 -c 'import os
m = os.environ["M"]
a = os.open(m+"/a", os.O_RDONLY); o = os.open("sent", os.O_WRONLY|os.O_CREAT)
print(os.sendfile(o, a, 0, 100)); r, w = os.pipe(); print(os.splice(a, w, 100, 0), os.read(r, 10))'`, "6\n6 b'alpha\\n'\n"},
		{"copy_file_range out", nil, `python3 -c 'import os
try: print(os.copy_file_range(os.open(os.environ["M"]+"/a", os.O_RDONLY), os.open("cfr", os.O_WRONLY|os.O_CREAT), 100))
except OSError as e: print(e.strerror)'`, "Invalid cross-device link\n"},
		{"grep -r", nil, "cd $M && grep -r beta . --exclude '*.sig'; grep -rl alpha --include a .", "./d/b:beta\n./a\n"},
		{"find", nil, "cd $M && find . -type f -name '[ab]' -size -2 -perm 444 -links 1 | sort; find . -newermt @1500 -not -newermt @2500 -type f | sort", "./a\n./d/b\n./d/b\n./d/b.sig\n"},
		{"tar", []string{"tar"}, "tar cf t.tar -C $M . && tar tf t.tar | sort && tar df t.tar -C $M && tar xOf t.tar ./d/b", "./\n./a\n./a.sig\n./big\n./big.sig\n./d/\n./d/b\n./d/b.sig\nbeta\n"},
		{"rsync out", []string{"rsync"}, "rsync -a $M/ out/ && rsync -ai $M/ out/ && cat out/d/b && rsync -aic $M/ out/", "beta\n"},
		{"stat", nil, "stat -c '%F %A %h %s %b %o %u:%g %Y' $M/a $M/d; stat -c %s $M/a.sig | grep -c '^[2-9][0-9][0-9]$'", fmt.Sprintf("regular file -r--r--r-- 1 6 1 4096 0:0 1000\n%sdirectory drwxr-xr-x 1 0 0 4096 0:0 NOW\n1\n", "")},
		{"stat -f", nil, "test $(stat -f -c '%T %l %S' $M | tr ' ' -) = fuseblk-255-4096 -o $(stat -f -c '%l-%S' $M) = 255-4096 && test $(stat -f -c %b $M) -gt 0 -a $(stat -f -c %f $M) -ge $(stat -f -c %a $M) && echo honest", "honest\n"},
		{"df", nil, "df -PT $M | awk 'NR==2 {print $1, $2, ($3 > 0), ($5 > 0)}'; df -P 2>/dev/null | grep -c $M; test $(df --output=size $M | tail -1) -eq $(df --output=size . | tail -1) && echo as below", "dmfs fuse.dmfs 1 1\n1\nas below\n"},
		{"du", nil, "du -b --apparent-size $M/big | cut -f1", "320000\n"},
		{"getfattr", []string{"getfattr"}, "cd $M && getfattr -d a | grep -o '^user[^=]*'; getfattr --only-values -n user.dmfs.signed_at a; getfattr -n user.nothing a 2>&1 | grep -o 'No such attribute'", "user.dmfs.digest\nuser.dmfs.expires\nuser.dmfs.signed_at\nuser.dmfs.signer\nuser.dmfs.state\n1970-01-01T00:16:40ZNo such attribute\n"},
		{"setfattr", []string{"setfattr"}, "setfattr -n user.x -v y $M/a 2>&1 | grep -o 'Operation not supported'", "Operation not supported\n"},
		{"flock", []string{"flock"}, "flock -n $M/a flock -n $M/a true || flock -n $M/a echo locked", "locked\n"},
		{"test", nil, "cd $M; test -r a -a ! -x a -a -d d -a ! -e A -a ! -L a -a -s a && echo yes", "yes\n"},
		{"glob", nil, "cd $M && echo * d/*", "a a.sig big big.sig d d/b d/b.sig\n"},
		{"minisign file beside", nil, "cd $M && head -n 1 d/b.sig | cut -c1-36", "untrusted comment: minisign -Vm d/b \n"},
		{"realpath and cwd", nil, "cd $M/d && test $(realpath .) = $(pwd -P) && cat ../a", "alpha\n"},
		{"exec", nil, "sh $M/a 2>&1 | grep -o 'not found'; $M/a 2>&1 | grep -o 'Permission denied'", "not found\nPermission denied\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, need := range c.needs {
				fstest.Program(t, need)
			}
			out, _ := n.Shell(c.line)
			if i := strings.Index(c.want, "NOW"); i >= 0 && len(out) > i { // a time that is not ours to say
				end := i + strings.IndexByte(out[i:], '\n')
				out = out[:i] + "NOW" + out[end:]
			}
			if out != c.want {
				t.Errorf("got %q, want %q", out, c.want)
			}
		})
	}
}

// TestNlink: what was superseded or deleted has no name any more.
func TestNlink(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("1\n"), 1)
	n.Must("until test -e $M/f; do :; done; mkfifo opened go")
	cmd := exec.Command("sh", "-c", "exec 3<$M/f; stat --cached=never -L -c %h /dev/fd/3; echo >opened; read x <go; stat --cached=never -L -c %h /dev/fd/3; stat --cached=never -c %h $M/f; exec 4<$M/f; echo >opened; read x <go; stat --cached=never -L -c %h /dev/fd/4; cat <&3 <&4")
	cmd.Dir, cmd.Env = n.Work, append(os.Environ(), "M="+n.Dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.Must("read x <opened")
	n.Remote("f", []byte("2\n"), 2)
	n.Must("until test $(cat $M/f) = 2; do :; done; echo >go; read x <opened")
	n.RemoteDelete("f", 3)
	n.Must("while test -e $M/f; do :; done; echo >go")
	if err := cmd.Wait(); err != nil || out.String() != "1\n0\n1\n0\n2\n" {
		t.Errorf("got %q: %v", out.String(), err)
	}
}

// TestTenThousandNames lists them all, once.
func TestTenThousandNames(t *testing.T) {
	files := 10_000
	if testing.Short() {
		files = 2000
	}
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprintf("many/name-%05d", i)
	}
	n := fstest.Mount(t, names...)
	records := make([]trust.Record, files)
	for i, name := range names {
		records[i] = n.Record(name, []byte(name), 1)
	}
	n.Apply(records...)
	n.Must("until test -e $M/" + names[files-1] + "; do :; done")
	if got := n.Must("ls -U $M/many | sort | uniq | wc -l; find $M/many -type f | wc -l; cat $M/many/name-01777"); got != fmt.Sprintf("%d\n%[1]d\nmany/name-01777", 2*files) {
		t.Errorf("got %q", got)
	}
	if out, ok := n.Shell("rm -rf $M/many 2>&1 | head -n 1"); !ok || !strings.Contains(out, "Operation not permitted") {
		t.Errorf("rm -rf: %v %s", ok, out)
	}
	if got := n.Must("ls $M/many | wc -l"); got != fmt.Sprintln(2*files) {
		t.Errorf("after rm -rf there are %s", got)
	}
}

// TestPermissions: owner, group and modes say who may propose and who may read.
func TestPermissions(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: needs root to become other users")
	}
	const group, owner, other = "--reuid=4001 --regid=4001 --groups=5000", "--reuid=4000 --regid=4000 --clear-groups", "--reuid=4002 --regid=4002 --clear-groups"
	n := fstest.MountWith(t, fs.Options{UID: 4000, GID: 5000, DirMode: 0o775, FileMode: 0o664}, "f", "g")
	openPath(t, n)
	version := int64(0)
	pair := func(name string) {
		version++
		n.Pair(name, fmt.Appendf(nil, "%s %d\n", name, version), version)
		n.Must("chmod -R a+rX .")
	}
	for _, who := range []struct {
		name, options string
		may           bool
	}{{"owner", owner, true}, {"group", group, true}, {"other", other, false}, {"root", "--reuid=0", true}} {
		t.Run(who.name, func(t *testing.T) {
			for _, line := range []string{"cp f f.sig $M/", "rsync --inplace f.sig f $M/", "cat f >$M/f && cat f.sig >$M/f.sig"} {
				pair("f")
				out, ok := n.Shell("if setpriv " + who.options + " sh -c '" + line + "' 2>&1; then cmp f $M/f; else ! cmp -s f $M/f; fi")
				if !ok || !who.may && !strings.Contains(out, "ermission denied") {
					t.Errorf("%s: %s", line, out)
				}
				if _, equal := n.Shell("cmp f $M/f"); equal != who.may {
					t.Errorf("%s: taken %v, want %v", line, equal, who.may)
				}
			}
			pair("g")
			if out, ok := n.Shell("setpriv " + who.options + " sh -c 'cp g g.sig $M/ && cat $M/f $M/f.sig && stat -c %u:%g-%a $M $M/f'"); ok != who.may || ok && !strings.HasSuffix(out, "4000:5000-775\n4000:5000-664\n") {
				t.Errorf("a new name, and reading: %v %s", ok, out)
			}
			if out, ok := n.Shell("setpriv " + who.options + " cat $M/f $M/f.sig"); !ok {
				t.Errorf("reading: %s", out)
			}
		})
	}
	private := fstest.MountWith(t, fs.Options{DirMode: 0o750, FileMode: 0o440, GID: 5000}, "f")
	openPath(t, private)
	private.Remote("f", []byte("for the group\n"), 1)
	private.Must("until test -e $M/f; do :; done")
	if out, ok := private.Shell("setpriv " + group + " cat $M/f && ! setpriv " + other + " cat $M/f && ! setpriv " + other + " ls $M"); !ok {
		t.Errorf("a private mount: %s", out)
	}
}

// TestReadOnly refuses every writer at once.
func TestReadOnly(t *testing.T) {
	n := fstest.MountWith(t, fs.Options{ReadOnly: true}, "f", "g")
	n.Remote("f", []byte("1\n"), 1)
	n.Must("until test -e $M/f; do :; done")
	n.Pair("g", []byte("x\n"), 1)
	for _, line := range []string{"cp g $M/g", "cp g $M/f", "echo x >>$M/f", "truncate -s 0 $M/f", "cp g.sig $M/g.sig", "touch $M/new"} {
		if out, ok := n.Shell(line); ok || !strings.Contains(out, "Read-only file system") {
			t.Errorf("%s: %v %s", line, ok, out)
		}
	}
	n.Remote("g", []byte("from elsewhere\n"), 2)
	n.Must("until test -e $M/g; do :; done")
	noDrafts(t, n)
}

// TestSSHStrictModes: what sshd asks of a key file and of all directories above it in
// the mount: owned by root or the user, and writable by nobody else.
func TestSSHStrictModes(t *testing.T) {
	n := fstest.Mount(t, "ssh/keys/alice")
	n.Remote("ssh/keys/alice", []byte("ssh-ed25519 AAAA\n"), 1)
	n.Must("until test -e $M/ssh/keys/alice; do :; done")
	if out := n.Must("cd $M && find . ssh ssh/keys ssh/keys/alice -maxdepth 0 \\( ! -uid 0 -o -perm /022 \\)"); out != "" {
		t.Errorf("sshd would refuse %s", out)
	}
	n.Must("find $M -type l | grep . && exit 1; test \"$(realpath $M/ssh/keys/alice)\" = \"$(realpath $M)/ssh/keys/alice\"")
}
