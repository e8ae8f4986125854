package fs_test

import (
	"os/exec"
	"testing"

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
