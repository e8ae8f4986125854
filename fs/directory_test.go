package fs_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dmfs/fs"
	"dmfs/fs/fstest"
)

// TestMembersFilesAreShownAgain after a start, also in directories that no policy names.
func TestMembersFilesAreShownAgain(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	name := "telemetry/" + ann.Key + "/deep/disk"
	ann.Remote(name, []byte("97 %\n"), 1)
	n.Must("until test -e $M/" + name + "; do :; done")
	n.Restart()
	n.Must("cat $M/" + name)
}

// TestMembersFilesOutliveATakeOver with their watchers.
func TestMembersFilesOutliveATakeOver(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	name := "telemetry/" + ann.Key + "/deep/disk"
	ann.Remote(name, []byte("97 %\n"), 1)
	n.Must("until test -e $M/" + name + "; do :; done")
	deep := watch(t, n.Dir+"/telemetry/"+ann.Key+"/deep")
	n.TakeOver()
	n.Must("ls -l $M/telemetry/*/deep | grep disk; cat $M/" + name)
	ann.Remote(name, []byte("98 %\n"), 2)
	expect(t, deep, "MOVED_TO disk")
	n.Must("cat $M/" + name)
}

// TestFileReplacesEmptyDirectories: a member that deleted all that was below its key
// may have a file there.
func TestFileReplacesEmptyDirectories(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	member := "telemetry/" + ann.Key
	ann.Remote(member+"/deep/disk", []byte("97 %\n"), 1)
	n.Must("until test -e $M/" + member + "/deep/disk; do :; done")
	telemetry := watch(t, n.Dir+"/telemetry")
	ann.RemoteDelete(member+"/deep/disk", 2)
	ann.Remote(member, []byte("all\n"), 1)
	expect(t, telemetry, "DELETE,ISDIR "+ann.Key)
	expect(t, telemetry, "MOVED_TO "+ann.Key)
	n.Must("cat $M/" + member)
	ann.RemoteDelete(member, 2)
	ann.Remote(member+"/deep/disk", []byte("98 %\n"), 3)
	expect(t, telemetry, "DELETE "+ann.Key)
	expect(t, telemetry, "CREATE,ISDIR "+ann.Key)
	n.Must("until test -e $M/" + member + "/deep/disk; do :; done")
}

// TestDeletedTwice: the mount hears of a deletion only by the second one, after what came
// to the place of the file.
func TestDeletedTwice(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{}, "telemetry")
	dir, file := "telemetry/"+ann.Key+"/a", "telemetry/"+ann.Key+"/a/b/c"
	ann.Remote(dir, []byte("1\n"), 1)
	n.Must("until test -e $M/" + dir + "; do :; done")
	n.Apply(ann.Tombstone(dir, 2), ann.Record(file, []byte("2\n"), 2), ann.Tombstone(dir, 3))
	n.Must("until test -e $M/" + file + "; do :; done")
	n.Apply(ann.Tombstone(file, 4), ann.Record(dir, []byte("4\n"), 4), ann.Tombstone(file, 5))
	n.Must("until test -f $M/" + dir + "; do :; done; cat $M/" + dir)
}

// TestDirectoryComesBackUnderSomebodysFeet: the kernel lets nobody make anything in a
// directory that was removed, so the next one of its path must be another.
func TestDirectoryComesBackUnderSomebodysFeet(t *testing.T) {
	n := fstest.Mount(t, "a", "dns/zone")
	stay := exec.Command("sleep", "1000")
	stay.Dir = n.Dir + "/dns"
	if err := stay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stay.Process.Kill(); stay.Wait() })
	for version := range int64(3) {
		setPolicy(t, n, "a")
		n.Must("test ! -e $M/dns")
		setPolicy(t, n, "a", "dns/zone")
		n.Pair("dns/zone", []byte("z\n"), version+1)
		n.Must("cp zone zone.sig $M/dns/ && cmp zone $M/dns/zone")
	}
}

// crowded are names below a member's place that stand in each other's way.
var crowded = []string{"/a", "/a/x", "/a/x/1", "/a/x/2", "/a/y", "/b/x/y/z", "/b/x/y", "/c"}

// build makes and removes directories and halves at random. Whoever is on the way through
// a directory that is removed and made again at that moment is told by the kernel that it
// is stale, or bad; that is rare, and nothing else is.
func build(place string, until time.Time) (string, error) {
	operations, caught := 0, 0
	for ; time.Now().Before(until); operations++ {
		path := filepath.Join(place, crowded[rand.IntN(len(crowded))])
		var err error
		how := rand.IntN(6)
		switch how {
		case 0:
			err = os.Mkdir(path, 0o755)
		case 1:
			err = os.MkdirAll(path, 0o755)
		case 2:
			err = syscall.Rmdir(path)
		case 3:
			_, err = os.ReadDir(path)
		case 4:
			err = os.WriteFile(path, []byte("half"), 0o644)
		case 5:
			err = os.Rename(path, filepath.Join(place, crowded[0]))
		}
		if errors.Is(err, syscall.EIO) || how < 4 && errors.Is(err, syscall.ESTALE) {
			if caught++; caught > 3+operations/1000 {
				return "", err
			}
		}
	}
	return fmt.Sprint(operations), nil
}

// TestDirectoriesInACrowd: while users make and remove directories, and files come and
// go in their places, the mount shows all that the index does and in the end nothing else.
func TestDirectoriesInACrowd(t *testing.T) {
	n, ann := fstest.MountNamespaces(t, fs.Options{DraftAge: 100 * time.Millisecond}, "telemetry")
	member := "telemetry/" + ann.Key
	duration := "5"
	if testing.Short() {
		duration = "1"
	}
	var builders []*worker
	for range 3 {
		builders = append(builders, work(t, "builder", filepath.Join(n.Dir, member), duration))
	}
	end := seconds(duration)
	for v := int64(2); time.Now().Before(end); v++ {
		name := member + crowded[rand.IntN(len(crowded))]
		r := ann.Record(name, fmt.Append(nil, v), v)
		if rand.IntN(2) == 0 {
			r = ann.Tombstone(name, v)
		}
		if _, err := n.Index.Apply("peer", r); err != nil { // it may be in the way of another
			t.Fatal(err)
		}
	}
	for _, b := range builders {
		t.Log(b.finish(t))
	}
	var want []string
	for _, e := range n.Index.Entries() {
		if e.Shown {
			want = append(want, e.Name.String(), e.Name.Signature())
		}
	}
	slices.Sort(want)
	noDrafts(t, n)
	fstest.Eventually(t, "the mount shows what the index does", func() bool {
		return slices.Equal(strings.Fields(n.Must("cd $M && find telemetry/"+ann.Key+" -type f | LC_ALL=C sort")), want)
	})
	for _, e := range n.Index.Entries() {
		if e.Shown {
			n.Must(fmt.Sprintf("test $(cat $M/%s) = %d", e.Name, e.Record.Version()/1e9))
		}
	}
}
