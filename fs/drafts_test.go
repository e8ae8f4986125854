package fs

import (
	"errors"
	"os/exec"
	"sync"
	"testing"
)

func newTestDrafts(t *testing.T) *drafts {
	s := newDrafts(bounds{}, func(string) bool { return false }, func(*draft) {})
	t.Cleanup(s.stop)
	return s
}

func addDraft(t *testing.T, s *drafts, path string, process int) *draft {
	t.Helper()
	d := &draft{path: path, process: process, empty: true}
	if err := s.add(d, true); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestWrittenWhileJudged: a half that was written again while its old bytes
// became part of a record is a candidate still.
func TestWrittenWhileJudged(t *testing.T) {
	s := newTestDrafts(t)
	d := addDraft(t, s, "f", 1)
	d.write([]byte("old"), 0)
	judged := d.freeze()
	d.write([]byte("new, longer"), 0)
	s.settle(judged)
	if at := s.at("f"); len(at) != 1 || string(judged.bytes) != "old" {
		t.Errorf("%d candidates, and what was judged became %q", len(at), judged.bytes)
	}
	s.settle(d.freeze())
	s.closed(d)
	if s.total() != (taken{}) || len(s.at("f")) != 0 {
		t.Errorf("left: %+v", s.total())
	}
}

// TestAccounts end at nothing, whatever becomes of a draft.
func TestAccounts(t *testing.T) {
	s := newTestDrafts(t)
	for _, end := range []func(d *draft){
		func(d *draft) { s.drop(d); s.closed(d) },
		func(d *draft) { s.closed(d); s.drop(d) },
		func(d *draft) { h := d.freeze(); s.closed(d); s.settle(h) },
		func(d *draft) { s.move(d, "g"); s.closed(d); s.drop(d) },
		func(d *draft) { s.drop(d); s.revive(d); s.closed(d) },
		func(d *draft) { s.closed(d); s.forget(d); s.move(d, "h") },
	} {
		d := addDraft(t, s, "f", 1)
		for _, size := range []int{100, 1000, 10, 500} {
			if err := s.reserve(d, size); err != nil {
				t.Fatal(err)
			}
			d.resize(size)
			s.shrunk(d, size)
		}
		if got := s.total(); got != (taken{1, 500}) {
			t.Errorf("%+v while it is there", got)
		}
		end(d)
		if s.total() != (taken{}) || len(s.byPath) != 0 || s.reserve(d, 1) == nil {
			t.Errorf("left: %+v, %v", s.total(), s.byPath)
		}
	}
}

// TestAbandonedHalvesOfAPath do not pile up.
func TestAbandonedHalvesOfAPath(t *testing.T) {
	s := newTestDrafts(t)
	const ended = 1 << 30 // more than any process has
	for range 5 * maxWaiting {
		s.closed(addDraft(t, s, "f", ended))
	}
	if got := len(s.at("f")); got != maxWaiting {
		t.Errorf("%d halves wait, want %d", got, maxWaiting)
	}
}

// TestZombieHasEnded although its parent has not noticed.
func TestZombieHasEnded(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read x")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !alive(cmd.Process.Pid) {
		t.Error("a program that waits for input has ended")
	}
	stdin.Close()
	for alive(cmd.Process.Pid) {
	}
	cmd.Wait()
	if alive(cmd.Process.Pid) || alive(0) {
		t.Error("a process that is no more is alive")
	}
}

// TestI9BookedIsWhatIsHeld: nobody holds more memory than is booked, by cutting off what was written or by
// emptying a draft while it is written.
func TestI9BookedIsWhatIsHeld(t *testing.T) {
	f := &FS{drafts: newTestDrafts(t)}
	d := addDraft(t, f.drafts, "f", 1)
	if err := errors.Join(f.resize(d.node, 1, 1<<20), f.resize(d.node, 1, 10)); err != nil || cap(d.data) > 1<<10 {
		t.Fatalf("10 bytes hold %d, %v", cap(d.data), err)
	}
	for range 2000 {
		var both sync.WaitGroup
		both.Go(func() { f.empty(d) })
		if _, err := f.write(d.node, 0, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		both.Wait()
		if d.booked != len(d.data) {
			t.Fatalf("booked %d bytes, there are %d", d.booked, len(d.data))
		}
	}
}
