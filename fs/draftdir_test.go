package fs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/trust"
)

// directoryWays are ways in which people write a tree of files. The prepared pair is disk and
// disk.sig, and in the directory src as it is to be in $M/telemetry; its place is $D.
var directoryWays = []way{
	{name: "mkdir -p and cp", line: "mkdir -p $M/$D && cp disk disk.sig $M/$D/"},
	{name: "mkdir one by one", line: "mkdir $M/${D%/sub} && mkdir -m 700 $M/$D && cp disk.sig disk $M/$D/"},
	{name: "install -d", line: "install -d -m 750 $M/$D && install disk disk.sig $M/$D/"},
	{name: "install -D", line: "install -D disk $M/$D/disk && install -D disk.sig $M/$D/disk.sig"},
	{name: "cp -r", line: "cp -r src/* $M/telemetry/"},
	{name: "cp -a", line: "cp -a src/. $M/telemetry/"},
	{name: "mv", line: "mv src/* $M/telemetry/"},
	{name: "rsync -r", needs: []string{"rsync"}, line: "rsync -r src/ $M/telemetry/"},
	{name: "rsync -a", needs: []string{"rsync"}, line: "rsync -a src/ $M/telemetry/"},
	{name: "rsync --inplace", needs: []string{"rsync"}, line: "rsync -r --inplace src/ $M/telemetry/"},
	{name: "sftp mkdir", needs: []string{"sftp", sftpServers}, line: `printf 'mkdir %s\n' $M/${D%/sub} $M/$D >b; printf 'put %s %s\n' disk $M/$D/disk disk.sig $M/$D/disk.sig >>b; sftp -q -b b -D $S`},
	{name: "sftp put -r", needs: []string{"sftp", sftpServers}, line: `echo "put -r src/${D#telemetry/} $M/$D" >b; mkdir $M/${D%/sub} && sftp -q -b b -D $S`},
	{name: "scp -r", needs: []string{"scp", sftpServers}, line: "scp -q -r -D $S src/* here:$M/telemetry/"},
	{name: "tar x", needs: []string{"tar"}, line: "tar cf t.tar -C src . && tar xf t.tar -C $M/telemetry --no-overwrite-dir"},
	{name: "python", line: `python3 -c 'import os, shutil; shutil.copytree("src", os.environ["M"] + "/telemetry", dirs_exist_ok=True)'`},
}

func TestDirectoryWays(t *testing.T) {
	for _, w := range directoryWays {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for _, need := range w.needs {
				fstest.Program(t, strings.Split(need, "|")...)
			}
			server := ""
			if strings.Contains(w.line, "$S") {
				server = fstest.Program(t, strings.Split(sftpServers, "|")...)
			}
			n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
			place := "telemetry/" + ann.Key + "/sub"
			ann.Pair(place+"/disk", []byte("97 %\n"), 100)
			n.Must("mkdir -p src/" + ann.Key + "/sub && cp disk disk.sig src/*/sub/")
			out, ok := n.Shell("D=" + place + " S=" + server + "; " + w.line)
			if !ok {
				t.Fatal(out)
			}
			n.Must("D=$M/" + place + "; until cmp -s disk $D/disk; do :; done; cmp disk.sig $D/disk.sig")
			noDrafts(t, n)
		})
	}
}

// TestDraftDirectoryBecomesAnother when a record comes below it, of which nobody sees
// anything, not even whoever watches it already, and not after a take-over either.
func TestDraftDirectoryBecomesAnother(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	telemetry := watch(t, n.Dir+"/telemetry")
	place := "telemetry/" + ann.Key + "/sub"
	n.Must("mkdir -p $M/" + place)
	sub, look := watch(t, n.Dir+"/"+place), "cd $M/"+place+" && stat -c %i .. . && ls -R .."
	before := n.Must(look)
	noErrors := work(t, "visitor", n.Dir+"/"+place, "1")
	ann.Remote(place+"/disk", []byte("97 %\n"), 100)
	expect(t, sub, "MOVED_TO disk")
	if after := n.Must(look); after != before+"disk\ndisk.sig\n" {
		t.Errorf("%s became %s", before, after)
	}
	noDrafts(t, n)
	if out, ok := n.Shell("rmdir $M/" + place); ok || !strings.Contains(out, notPermitted) {
		t.Errorf("rmdir: %v: %s", ok, out)
	}
	n.TakeOver()
	if after := n.Must(look); after != before+"disk\ndisk.sig\n" {
		t.Errorf("%s became %s", before, after)
	}
	ann.Remote(place+"/disk", []byte("98 %\n"), 101)
	expect(t, sub, "MOVED_TO disk")
	noErrors.finish(t)
	expect(t, telemetry, "CREATE,ISDIR "+ann.Key)
	n.Must("mkdir $M/telemetry/AA" + ann.Key[2:])
	expect(t, telemetry, "CREATE,ISDIR AA"+ann.Key[2:]) // nothing between
}

// visit looks at a directory again and again, which must be there all the time.
func visit(path string, until time.Time) (string, error) {
	visits := 0
	for ; time.Now().Before(until); visits++ {
		if _, err := os.Stat(path); err != nil {
			return "", err
		}
		if _, err := os.ReadDir(path); err != nil {
			return "", err
		}
	}
	return fmt.Sprint(visits), nil
}

// TestMkdirElsewhere is refused, each with its reason.
func TestMkdirElsewhere(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry", "logs/daily")
	member := "telemetry/" + ann.Key
	ann.Remote("logs/daily/"+ann.Key, []byte("a file\n"), 1)
	n.Must("until test -e $M/logs/daily/" + ann.Key + "; do :; done; mkdir $M/" + member)
	for path, reason := range map[string]string{
		"other":                          notPermitted,
		"telemetry/ann":                  notPermitted,
		"telemetry/" + ann.Key[1:]:       notPermitted,
		"telemetry/by-name":              "File exists",
		"telemetry/by-name/x":            notPermitted,
		"logs/other":                     notPermitted,
		".dmfs/x":                        notPermitted,
		member + "/x.sig":                notPermitted,
		member + "/.dmfs":                notPermitted,
		member:                           "File exists",
		"telemetry":                      "File exists",
		"logs/daily/" + ann.Key:          "File exists",
		"logs/daily/" + ann.Key + "/x":   "Not a directory",
		member + "/" + "no/parent":       "No such file or directory",
		member + strings.Repeat("/a", 3): "No such file or directory",
	} {
		out, ok := n.Shell("mkdir $M/" + path)
		if ok || !strings.Contains(out, reason) {
			t.Errorf("mkdir %s: %v, %s want %s", path, ok, out, reason)
		}
	}
}

// TestMkdirNeedsTheRight to write, as everything does.
func TestMkdirNeedsTheRight(t *testing.T) {
	for reason, o := range map[string]fs.Options{"Read-only": {ReadOnly: true}, "Permission denied": {DirMode: 0o555}} {
		n, ann := fstest.MountNamespaces(t, o, "telemetry")
		n.Must("chmod 755 ..")
		out, ok := n.Run("setpriv", "--bounding-set=-all", "--inh-caps=-all", "sh", "-c", "mkdir $M/telemetry/"+ann.Key)
		if ok || !strings.Contains(out, reason) {
			t.Errorf("%v: %s, want %s", ok, out, reason)
		}
	}
}

// TestRmdir takes back what a user made and nothing else.
func TestRmdir(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	member := "telemetry/" + ann.Key
	n.Must("mkdir -p $M/" + member + "/a/b")
	telemetry := watch(t, n.Dir+"/telemetry")
	for path, reason := range map[string]string{
		member + "/a": "Directory not empty",
		"telemetry":   notPermitted,
		".dmfs":       notPermitted,
	} {
		if out, ok := n.Shell("rmdir $M/" + path); ok || !strings.Contains(out, reason) {
			t.Errorf("rmdir %s: %v, %s want %s", path, ok, out, reason)
		}
	}
	for _, line := range []string{"mv $M/$D/a $M/$D/c", "mv -T $M/$D/a/b $M/$D/a", "mkdir $M/$D/c; mv -T $M/$D/a $M/$D/c"} {
		if out, ok := n.Shell("D=" + member + "; " + line); ok || !strings.Contains(out, notPermitted) && !strings.Contains(out, "not empty") {
			t.Errorf("%s: %v, %s", line, ok, out)
		}
	}
	n.Must("rm -r $M/" + member + " && test ! -e $M/" + member)
	expect(t, telemetry, "DELETE,ISDIR "+ann.Key)
	noDrafts(t, n)
	ann.Pair(member+"/a/disk", []byte("97 %\n"), 100)
	n.Must("mkdir -p $M/" + member + "/a && cp disk disk.sig $M/" + member + "/a/")
}

// TestTwoAtOnce: of two who make a directory both have it.
func TestTwoAtOnce(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	for i := range 20 {
		place := "telemetry/" + ann.Key + strings.Repeat("/d", i+1)
		ann.Pair(place+"/disk", []byte("97 %\n"), 100)
		n.Must("D=$M/" + place + "; mkdir -p $D & mkdir -p $D && wait $! && cp disk disk.sig $D/ && cmp disk $D/disk")
	}
	noDrafts(t, n)
}

// TestDraftDirectoriesAreBounded in number with all drafts of a user.
func TestDraftDirectoriesAreBounded(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{MaxDrafts: 3}, "telemetry")
	member := "telemetry/" + ann.Key
	n.Must("mkdir -p $M/" + member + "/a/b")
	for _, line := range []string{"mkdir $M/$D/c", "echo >$M/$D/a/b/half"} {
		if out, ok := n.Shell("D=" + member + "; " + line); ok || !strings.Contains(out, "quota exceeded") {
			t.Errorf("%s: %v: %s", line, ok, out)
		}
	}
	n.Must("rmdir $M/" + member + "/a/b && mkdir $M/" + member + "/c")
}

// TestDraftDirectoryAges: it stays while a half below it is open, and it goes with
// the events that watchers know.
func TestDraftDirectoryAges(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{DraftAge: 500 * time.Millisecond}, "telemetry")
	member, other := "telemetry/"+ann.Key, "AA"+ann.Key[2:]
	ann.Pair(member+"/used/disk", []byte("97 %\n"), 100)
	n.Must("D=$M/" + member + `
until mkdir -p $D/used $D/idle && command exec 3>$D/used/disk 4>$D/used/disk.sig; do :; done
while test -e $D/idle; do :; done
mkdir $D/idle && while test -e $D/idle; do :; done
test -d $D/used || exit 1
cat disk >&3; cat disk.sig >&4; exec 4>&-; exec 3>&-
cmp disk $D/used/disk`)
	telemetry := watch(t, n.Dir+"/telemetry")
	n.Must("mkdir $M/telemetry/" + other)
	expect(t, telemetry, "CREATE,ISDIR "+other)
	expect(t, telemetry, "DELETE,ISDIR "+other)
	noDrafts(t, n)
	n.Must("test ! -e $M/telemetry/" + other + " && mkdir $M/telemetry/" + other)
}

// TestRefusedPairLeavesTheDirectory to its age.
func TestRefusedPairLeavesTheDirectory(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{DraftAge: 500 * time.Millisecond}, "telemetry")
	place := "telemetry/" + ann.Key + "/a"
	ann.Pair(place+"/disk", []byte("97 %\n"), 100)
	out, ok := n.Shell("D=$M/" + place + "; mkdir -p $D; echo other >disk; cp disk disk.sig $D/")
	if ok || !strings.Contains(out, "rejected") {
		t.Fatalf("%v: %s", ok, out)
	}
	n.Must("while test -e $M/" + place + "; do :; done")
	fstest.Eventually(t, "no drafts", func() bool { number, _ := n.Drafts(); return number == 0 })
}

// TestFileComesWhereADraftDirectoryIs: a record goes before a wish.
func TestFileComesWhereADraftDirectoryIs(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	member := "telemetry/" + ann.Key
	n.Must("mkdir -p $M/" + member + "/a/b")
	telemetry := watch(t, n.Dir+"/telemetry")
	ann.Remote(member, []byte("all\n"), 1)
	expect(t, telemetry, "DELETE,ISDIR "+ann.Key)
	expect(t, telemetry, "MOVED_TO "+ann.Key)
	n.Must("cat $M/" + member)
	noDrafts(t, n)
}

// TestDraftDirectoriesEndWithTheProcess but not what was acknowledged in them.
func TestDraftDirectoriesEndWithTheProcess(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	place := "telemetry/" + ann.Key + "/a"
	ann.Pair(place+"/disk", []byte("97 %\n"), 100)
	n.Must("mkdir -p $M/" + place + " $M/" + place + "/b && cp disk disk.sig $M/" + place + "/")
	n.TakeOver()
	n.Must("D=$M/" + place + "; cmp disk $D/disk && ls -lR $M && ! ls $D/b 2>&1 && while test -e $D/b; do :; done && mkdir -p $D/b/c && rmdir $D/b/c $D/b")
	n.Must("D=$M/" + place + "; mkdir $D/b")
	n.TakeOver()
	n.Must("D=$M/" + place + "; ! cp disk $D/b/ && ! rmdir $D/b && mkdir $D/b")
}

// TestDraftDirectoriesAndThePolicy: what a new policy has no place for goes at once.
func TestDraftDirectoriesAndThePolicy(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry", "logs")
	n.Must("mkdir -p $M/telemetry/" + ann.Key + "/a $M/logs/" + ann.Key + "/b")
	p, err := trust.NewPolicy(trust.Rules{Network: n.Index.Policy().Network(), Namespaces: []string{"telemetry"}})
	if err != nil {
		t.Fatal(err)
	}
	putInForce(t, n, p)
	n.Must("test -d $M/telemetry/" + ann.Key + "/a && test ! -e $M/logs")
	if number, _ := n.Drafts(); number != 2 {
		t.Errorf("%d drafts", number)
	}
}
