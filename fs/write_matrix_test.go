package fs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dmfs/fs/fstest"
)

// way is a way in which people write files. Its line is run by sh with the
// prepared pair in the working directory, the names of its halves in $A and $B in
// the order in which they are to be written, and the mount in $M.
type way struct {
	name  string
	needs []string // programs, each with other names of it behind bars
	line  string
	fresh string // what a refusal of a new name prints; empty: it succeeds
	over  string // likewise over a visible name
}

const (
	notPermitted = "Operation not permitted"
	noSupport    = "not supported"
	sftpServers  = "/usr/lib/openssh/sftp-server|/usr/lib/ssh/sftp-server|/usr/libexec/sftp-server|/usr/libexec/openssh/sftp-server"
)

// each runs a command for both halves and stops at the first failure.
func each(line string) string { return "for n in $A $B; do " + line + " || exit 1; done" }

var ways = []way{
	{name: "cp", line: each("cp $n $M/$n")},
	{name: "cp both", line: "cp $A $B $M/"},
	{name: "cp -p", line: each("cp -p $n $M/")},
	{name: "cp -a", line: each("cp -a $n $M/")},
	{name: "cp -r dir", line: "mkdir d && cp $A $B d/ && cp -r d/. $M/; s=$?; rm -r d; exit $s"},
	{name: "cp -a dir", line: "mkdir d && cp $A $B d/ && cp -a d/. $M; s=$?; rm -r d; exit $s"},
	{name: "cp --remove-destination", line: each("cp --remove-destination $n $M/"), over: notPermitted},
	{name: "mv from elsewhere", line: each("mv $n $M/"), over: notPermitted},
	{name: "mv within", line: each("python3 $W rename $n $M/$n")},
	{name: "install", line: each("install -m 644 $n $M/"), over: notPermitted},
	{name: "rsync -a", needs: []string{"rsync"}, line: "rsync -a $A $B $M/"},
	{name: "rsync one by one", needs: []string{"rsync"}, line: each("rsync -a $n $M/")},
	{name: "rsync --inplace", needs: []string{"rsync"}, line: each("rsync --inplace $n $M/")},
	{name: "rsync --append-verify", needs: []string{"rsync"}, line: each("rsync --ignore-times --no-whole-file --inplace $n $M/")},
	{name: "tee", line: each("tee $M/$n <$n >/dev/null")},
	{name: "dd", line: each("dd if=$n of=$M/$n bs=4 status=none")},
	{name: "dd conv=fsync", line: each("dd if=$n of=$M/$n conv=fsync status=none")},
	{name: "cat > sh", line: each("cat $n >$M/$n")},
	{name: "cat > bash", needs: []string{"bash"}, line: each(`bash -c 'cat $0 >$M/$0' $n`)},
	{name: "cat > dash", needs: []string{"dash"}, line: each(`dash -c 'cat $0 >$M/$0' $n`)},
	{name: "echo > sh", line: each(`echo "$(cat $n)" >$M/$n`)},
	{name: "echo > bash", needs: []string{"bash"}, line: each(`bash -c 'echo "$(cat $0)" >$M/$0' $n`)},
	{name: "echo > dash", needs: []string{"dash"}, line: each(`dash -c 'echo "$(cat $0)" >$M/$0' $n`)},
	{name: "two commands, one descriptor", line: each("(head -c 3 $n; tail -c +4 $n) >$M/$n")},
	{name: "exec >", line: each("(exec 3>$M/$n; head -c 5 $n >&3; tail -c +6 $n >&3; exec 3>&-)")},
	{name: "sftp put", needs: []string{"sftp", sftpServers}, line: each(`echo "put $n $M/$n" | sftp -q -b - -D $S`)},
	{name: "sftp put -p", needs: []string{"sftp", sftpServers}, line: each(`echo "put -p $n $M/$n" | sftp -q -b - -D $S`)},
	{name: "scp", needs: []string{"scp", sftpServers}, line: each(`scp -q -D $S $n here:$M/$n`)},
	{name: "scp -p", needs: []string{"scp", sftpServers}, line: each(`scp -q -p -D $S $n here:$M/$n`)},
	{name: "tar x", needs: []string{"tar"}, line: "tar cf t.tar $A $B && tar xf t.tar -C $M", over: "File exists"},
	{name: "tar x --overwrite", needs: []string{"tar"}, line: "tar cf t.tar $A $B && tar xf t.tar --overwrite -C $M"},
	{name: "curl -o", needs: []string{"curl"}, line: each("curl -s -o $M/$n file://$PWD/$n")},
	{name: "vim", needs: []string{"vim"}, line: each("vim -u NONE -N -es -c 'silent! %d _' -c \"call setline(1, readfile('$n'))\" -c 'wq!' $M/$n </dev/null")},
	{name: "vim with defaults", needs: []string{"vim"}, line: each("vim -u DEFAULTS -N -es -c 'silent! %d _' -c \"call setline(1, readfile('$n'))\" -c 'wq!' $M/$n </dev/null")},
	{name: "vim with backups by renaming", needs: []string{"vim"}, line: each("vim -u NONE -N -es -c 'set backup writebackup backupcopy=no' -c 'silent! %d _' -c \"call setline(1, readfile('$n'))\" -c 'wq!' $M/$n </dev/null")},
	{name: "vim with backups by copying", needs: []string{"vim"}, line: each("vim -u NONE -N -es -c 'set backup writebackup backupcopy=yes' -c 'silent! %d _' -c \"call setline(1, readfile('$n'))\" -c 'wq!' $M/$n </dev/null")},
	{name: "nano", needs: []string{"nano"}, line: each("python3 $W nano $n $M/$n")},
	{name: "Go os.WriteFile", line: "DMFS_TEST_WORKER=copier $T $M $A $B"},
	{name: "python open", line: each("python3 $W open $n $M/$n")},
	{name: "python shutil", line: each("python3 $W shutil $n $M/$n")},
	{name: "copy_file_range", line: each("python3 $W copy_file_range $n $M/$n"), fresh: "cross-device", over: "cross-device"},
	{name: "mmap", line: each("python3 $W mmap $n $M/$n"), fresh: "No such device", over: "No such device"},
	{name: "fallocate", needs: []string{"fallocate"}, line: each("fallocate -l 100 $M/$n"), fresh: noSupport, over: noSupport},
	{name: "posix_fallocate", line: each("python3 $W posix_fallocate $n $M/$n")},
	{name: "ftruncate", line: each("python3 $W ftruncate $n $M/$n")},
	{name: "truncate and notrunc", needs: []string{"truncate"}, line: each("python3 $W truncate $n $M/$n")},
	{name: "backwards in pieces", line: each("python3 $W backwards $n $M/$n")},
}

// writers is what Python writes in its ways.
const writers = `import os, sys, mmap, shutil
how, source, target = sys.argv[1:]
data = open(source, "rb").read()
if how == "open":
    with open(target, "wb") as o: o.write(data)
elif how == "shutil":
    shutil.copy(source, target)
elif how == "nano":
    import pty, re, select
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("nano", ["nano", "--ignorercfiles", target])
    screen = b""
    def until(text):
        global screen
        while text not in screen:
            if not select.select([fd], [], [], 10)[0]: sys.exit("nano: no %r in %r" % (text, screen))
            screen += os.read(fd, 4096)
        screen = b""
    until(b"Exit")
    for keys, answer in (("\x1bt", None), ("\x12", b"to insert"), (source + "\r", b"Read "), ("\x0f", b"to Write"), ("\r", b"Wrote"), ("\x18", None)):
        os.write(fd, keys.encode())
        if answer: until(answer)
    try:
        while os.read(fd, 4096): pass
    except OSError: pass
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
elif how == "rename":
    temporary = target + ".tmp4711"
    with open(temporary, "wb") as o: o.write(data)
    os.rename(temporary, target)
else:
    fd = os.open(target, os.O_RDWR | os.O_CREAT)
    if how == "copy_file_range":
        os.copy_file_range(os.open(source, os.O_RDONLY), fd, len(data))
    elif how == "mmap":
        os.ftruncate(fd, len(data))
        mmap.mmap(fd, len(data))[:] = data
    elif how == "posix_fallocate":
        os.posix_fallocate(fd, 0, len(data))
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
    elif how == "ftruncate":
        os.write(fd, data + b"rest")
        os.ftruncate(fd, len(data))
    elif how == "truncate":
        os.truncate(target, 0)
        os.pwrite(fd, data, 0)
    elif how == "backwards":
        os.ftruncate(fd, len(data))
        for at in range(len(data) - 1, -1, -1): os.pwrite(fd, data[at:at+1], at)
    os.close(fd)
`

// copyFiles is a Go program that knows nothing of us.
func copyFiles(dir string, names []string) error {
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, n), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// TestWays writes pairs in every way, in both orders, as new names and over visible
// ones. Either all of it becomes visible, or the tool fails and says why and nothing changes.
func TestWays(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for _, need := range w.needs {
				fstest.Program(t, strings.Split(need, "|")...)
			}
			n := fstest.Mount(t, "f", "g")
			put := filepath.Join(n.Work, "writers.py")
			if err := os.WriteFile(put, []byte(writers), 0o644); err != nil {
				t.Fatal(err)
			}
			server := ""
			if slices.Contains(w.needs, sftpServers) {
				server = fstest.Program(t, strings.Split(sftpServers, "|")...)
			}
			self, err := filepath.Abs(os.Args[0])
			if err != nil {
				t.Fatal(err)
			}
			prefix := fmt.Sprintf("T=%s W=%s S=%s; ", self, put, server)
			w.try(t, n, prefix+"A=f B=f.sig; ", "f")
			w.try(t, n, prefix+"A=g.sig B=g; ", "g")
			for _, e := range n.Index.Entries() {
				if e.Name.String() != "f" && e.Name.String() != "g" {
					t.Errorf("the index has %v", e.Name)
				}
			}
		})
	}
}

// try writes a name that is new and then one that is visible.
func (w way) try(t *testing.T, n *fstest.Node, prefix, name string) {
	t.Helper()
	w.once(t, n, prefix, name, "the first\nversion of it\n", 100, w.fresh)
	if w.fresh != "" {
		n.Pair(name, []byte("visible\n"), 101)
		n.Must(fmt.Sprintf("cp %s %s.sig $M/", name, name))
	}
	w.once(t, n, prefix, name, "another\n", 102, w.over)
	if !testing.Short() {
		w.once(t, n, prefix, name, "and a third one that is longer than all those before\n", 103, w.over)
	}
}

func (w way) once(t *testing.T, n *fstest.Node, prefix, name, content string, version int64, refusal string) {
	t.Helper()
	n.Pair(name, []byte(content), version)
	before := n.Must("ls -A $M; cat $M/* 2>/dev/null; true")
	seq := n.Index.Seq()
	n.Must(fmt.Sprintf("mkdir -p want; cp %s %s.sig want/", name, name))
	out, ok := n.Shell(prefix + w.line)
	if refusal == "" {
		if !ok {
			t.Errorf("version %d of %s: %s", version, name, out)
		}
		n.Must(fmt.Sprintf("until cmp -s want/%s $M/%[1]s; do :; done; cmp want/%[1]s.sig $M/%[1]s.sig", name))
		return
	}
	if ok || refusal != "-" && !strings.Contains(out, refusal) {
		t.Errorf("version %d of %s: succeeded %v, printed %q, want %q", version, name, ok, out, refusal)
	}
	if after := n.Must("ls -A $M; cat $M/* 2>/dev/null; true"); after != before || n.Index.Seq() != seq {
		t.Errorf("version %d of %s was refused, but %q became %q", version, name, before, after)
	}
}
