package fs_test

import (
	"sync"
	"testing"
	"time"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/index"
)

// TestTouchWakesWatchersOfAPage, and those who watched it before another process served the mount.
func TestTouchWakesWatchersOfAPage(t *testing.T) {
	n := fstest.Mount(t, "a")
	page, file := watch(t, n.Dir+"/.dmfs/status.json"), watch(t, n.Dir)
	n.Touch("status.json")
	expect(t, page, "ATTRIB ")
	n.TakeOver()
	n.Touch("status.json")
	expect(t, page, "ATTRIB ")
	n.Remote("a", []byte("1"), 1)
	expect(t, file, "MOVED_TO a") // and was told of nothing else
}

// TestTouchIsBounded however often it is asked for.
func TestTouchIsBounded(t *testing.T) {
	n := fstest.Mount(t)
	page, started := watch(t, n.Dir+"/.dmfs/status.json"), time.Now()
	n.Touch("status.json")
	expect(t, page, "ATTRIB ")
	for range 100000 {
		n.Touch("status.json")
	}
	n.Must("cat $M/.dmfs/status.json")
	count := 1
	for page.Scan() && page.Text() != "OPEN " {
		count++
	}
	if most := 2 + int(time.Since(started)/(100*time.Millisecond)); count > most {
		t.Errorf("%d events, more than %d", count, most)
	}
}

// TestShownIsToldWhatTheMountShows in the order of the changes.
func TestShownIsToldWhatTheMountShows(t *testing.T) {
	var mu sync.Mutex
	var starts, told []uint64
	n := fstest.MountWith(t, fs.Options{Shown: func(seq uint64, changes []index.Entry) {
		mu.Lock()
		defer mu.Unlock()
		if changes == nil {
			starts = append(starts, seq)
		}
		for _, e := range changes {
			told = append(told, e.Seq)
		}
	}}, "a", "b")
	n.Remote("a", []byte("1"), 1)
	n.Pair("b", []byte("2"), 1)
	n.Must("until test -e $M/a; do :; done; cp b b.sig $M/")
	n.RemoteDelete("a", 2)
	fstest.Eventually(t, "three changes are told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told) == 3
	})
	if len(starts) != 1 || starts[0] >= told[0] || told[0] >= told[1] || told[1] >= told[2] {
		t.Errorf("told %v after %v", told, starts)
	}
	n.Restart()
	if last := starts[len(starts)-1]; len(starts) != 2 || last != told[2] {
		t.Errorf("started with %v after %v", starts, told)
	}
}
