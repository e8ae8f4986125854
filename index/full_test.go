package index_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// tinyDisk mounts 2 MiB of memory.
func tinyDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a tmpfs: %v", err)
		}
		t.Skipf("SKIPPED: A FULL DISK IS NOT TESTED: mount a tmpfs: %v (run as root)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	dir := tinyDisk(t)
	names, p := numbered(t, 400)
	path := filepath.Join(dir, "index")
	ix := indextest.OpenAt(t, path, p)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	record := func(i int, v trust.Version, size int) trust.Record {
		return trusttest.Record(t, p, alice, names[i], sized(i, size), v)
	}

	held := 0
	for ; ; held++ {
		if _, err := ix.Apply("", record(held, 1, 8000)); err != nil {
			is(t, err, syscall.ENOSPC)
			break
		}
	}
	if held < 10 {
		t.Fatalf("full after %d files", held)
	}
	before := fmt.Sprint(versions(ix))
	for i := range 3 { // it stays full, also for what comes in one call with others
		if _, err := ix.Apply("", record(0, 2, 100), record(held+i, 1, 300_000)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("full disk: %v", err)
		}
	}
	if after := fmt.Sprint(versions(ix)); after != before {
		t.Fatalf("a failed call changed %s to %s", before, after)
	}
	if err := ix.Check(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	apply(t, ix, record(held, 1, 8000), record(0, 2, 100))
	for i := 1; i <= held; i++ {
		shows(t, ix, names[i], string(sized(i, 8000)))
	}
	same(t, ix, path, p)
}

// One caller's content that does not fit is not the failure of those who share its transaction.
func TestDiskFullForOne(t *testing.T) {
	names, p := numbered(t, 20)
	ix := indextest.OpenAt(t, filepath.Join(tinyDisk(t), "index"), p)
	var callers sync.WaitGroup
	for i, name := range names {
		size := 10
		if i%2 == 0 {
			size = 4 << 20
		}
		r := trusttest.Record(t, p, alice, name, make([]byte, size+i), 1)
		callers.Go(func() {
			_, err := ix.Apply("", r)
			if fits := size == 10; fits != (err == nil) {
				t.Errorf("%d bytes: %v", size, err)
			}
		})
	}
	callers.Wait()
	if n := len(ix.Entries()); n != len(names)/2 {
		t.Errorf("%d files are held", n)
	}
}

// What could not be dropped is still there, and is dropped later.
func TestDiskFullForTrim(t *testing.T) {
	dir := tinyDisk(t)
	p := policy(t, may{"f": {alice}})
	ix := indextest.OpenAt(t, filepath.Join(dir, "index"), p)
	steps(t, ix, p, "a")
	ix.Pin(16)
	steps(t, ix, p, "b", "c", "d")
	big := trusttest.Record(t, p, alice, "f", make([]byte, 4<<20), 9)
	ix.Unpin(16)
	settled(t, ix)
	stored(t, ix, 17, 18, 19)
	ix.Pin(17)
	if _, err := ix.Apply("", big); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	ix.Unpin(17)
	if _, err := ix.Apply("", big); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	stored(t, ix, 17, 18, 19)
	steps(t, ix, p, "e")
	stored(t, ix, 18, 19, 20)
	if _, err := ix.Content(big.Digest()); !errors.Is(err, index.ErrNoContent) {
		t.Error(err)
	}
}
