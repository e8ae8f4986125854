package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// told is an event as dmfs watch --json prints it, as far as the tests read it.
type told struct {
	Seq                                     uint64
	Kind, Name, Origin, Peer, Member, Errno string
}

// A watcher is a running dmfs watch.
type watcher struct {
	*exec.Cmd
	out, err events
}

// watchNode starts dmfs watch from the first change on. At the end it holds it to exit code 0.
func watchNode(t testing.TB, m *harness.Mesh, n *harness.Node) *watcher {
	t.Helper()
	w := &watcher{Cmd: exec.Command(filepath.Join(harness.Bin(t), "dmfs"), "watch", "--json", "--since", "0", "--mount", n.Mount)}
	w.Dir, w.Stdout, w.Stderr = m.Dir, &w.out, &w.err
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
		if err := w.Wait(); err != nil {
			t.Errorf("dmfs watch: %v: %s", err, &w.err.text)
		}
	})
	return w
}

// told returns what was printed so far.
func (w *watcher) told(t testing.TB) (all []told) {
	for _, line := range w.out.lines() {
		var e told
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// tells returns a condition: so many events were like this one, whatever their seq.
func (w *watcher) tells(t testing.TB, times int, want told) func() error {
	return func() error {
		n := 0
		for _, e := range w.told(t) {
			if e.Seq = 0; e == want {
				n++
			}
		}
		if n != times {
			return fmt.Errorf("%d times %+v in %+v", n, want, w.told(t))
		}
		return nil
	}
}

// TestWatchTellsWhatHappens from the first start of a node on, over its restarts.
func TestWatchTellsWhatHappens(t *testing.T) {
	o := members()
	o.Nodes, o.Files = 2, harness.Names("config.json")
	theirs, others := trusttest.Signer(2), trusttest.Signer(3)
	o.Files["theirs"] = []string{theirs.Public().Key.String()}
	m := harness.New(t, o)
	a, b := m.Nodes[0], m.Nodes[1]
	m.Write("a.toml", bytes.ReplaceAll(m.Read("a.toml"), []byte(theirs.Public().Key.String()), []byte(others.Public().Key.String())))
	a.Start()
	w := watchNode(t, m, a)

	b.Start()
	harness.Eventually(t, patience, w.tells(t, 1, told{Kind: "joined", Peer: b.ID, Member: "b"}))
	harness.Eventually(t, patience, w.tells(t, 1, told{Kind: "certificate", Peer: b.ID, Member: "b"}))
	published := told{Kind: "published", Name: "config.json", Origin: b.ID}
	publish(t, m, b, "config.json", []byte("one\n"))
	harness.Eventually(t, patience, w.tells(t, 1, published))

	refuse := func() {
		m.Write("config.json", []byte("forged\n"))
		m.Write("config.json.sig", m.Sign(others, "config.json", []byte("forged\n"), trust.VersionAt(time.Now())))
		if out, ok := m.Shell("cp config.json config.json.sig $A/"); ok {
			t.Errorf("was taken: %s", out)
		}
	}
	refuse()
	harness.Eventually(t, patience, w.tells(t, 1, told{Kind: "refused", Name: "config.json", Origin: "mount", Errno: "EACCES"}))
	content := []byte("of another policy\n")
	if err := b.Copy("theirs", content, m.Sign(theirs, "theirs", content, trust.VersionAt(time.Now()))); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, patience, w.sees(t, told{Kind: "refused", Name: "theirs", Origin: b.ID, Errno: "ENOKEY"}))
	b.Stop()
	harness.Eventually(t, patience, w.tells(t, 1, told{Kind: "away", Peer: b.ID, Member: "b"}))
	b.Start()
	harness.Eventually(t, patience, w.tells(t, 2, told{Kind: "joined", Peer: b.ID, Member: "b"}))

	a.Stop() // and its mount goes
	publish(t, m, b, "config.json", []byte("two\n"))
	harness.Eventually(t, patience, func() error {
		if says := strings.Join(w.err.lines(), ""); !strings.Contains(says, "waiting for one") {
			return fmt.Errorf("it says %q", says)
		}
		return nil
	})
	a.Start()
	harness.Eventually(t, patience, w.tells(t, 2, published))
	m.Must("dmfs restart --mount $A") // and its mount stays
	refuse()
	harness.Eventually(t, patience, w.tells(t, 2, told{Kind: "refused", Name: "config.json", Origin: "mount", Errno: "EACCES"}))
	publish(t, m, b, "config.json", []byte("three\n"))
	harness.Eventually(t, patience, w.tells(t, 3, published))
	a.Kill() // and its mount is dead
	publish(t, m, b, "config.json", []byte("four\n"))
	a.Start()
	harness.Eventually(t, patience, w.tells(t, 4, published))
	open, err := os.Open(filepath.Join(a.Mount, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	a.Stop() // and its mount goes without a word, since a file is open
	publish(t, m, b, "config.json", []byte("five\n"))
	a.Start()
	harness.Eventually(t, patience, w.tells(t, 5, published))
	if err := open.Close(); err != nil {
		t.Error(err)
	}
	last := uint64(0)
	for _, e := range w.told(t) {
		if e.Seq < last || e.Seq == last && e.Kind == "published" {
			t.Errorf("after %d: %+v", last, e)
		}
		last = e.Seq
	}
}

// sees returns a condition: an event like this one was printed, perhaps several times.
func (w *watcher) sees(t testing.TB, want told) func() error {
	return func() error {
		for _, e := range w.told(t) {
			if e.Seq = 0; e == want {
				return nil
			}
		}
		return fmt.Errorf("no %+v in %+v", want, w.told(t))
	}
}

// BenchmarkWatch is from when a file that another node published is moved into place here, where
// inotify tells, until dmfs watch prints it.
func BenchmarkWatch(b *testing.B) {
	m := harness.Start(b, harness.Options{Nodes: 2})
	n := m.Nodes[1]
	cmd := exec.Command(filepath.Join(harness.Bin(b), "dmfs"), "watch", "--since", "0", "--mount", n.Mount)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines, arrivals := bufio.NewScanner(out), harness.Arrivals(b, n.Mount)
	var woken spread
	for b.Loop() {
		b.StopTimer()
		<-time.After(150 * time.Millisecond) // events that come sooner after one another are told together
		version := trust.VersionAt(time.Now())
		content := fmt.Append(nil, version)
		signature := m.Sign(m.Signer, "config.json", content, version)
		b.StartTimer()
		if err := m.Nodes[0].Copy("config.json", content, signature); err != nil {
			b.Fatal(err)
		}
		awaitArrival(b, "config.json", arrivals)
		moved := time.Now()
		for lines.Scan() && !strings.Contains(lines.Text(), " published config.json") {
		}
		woken = append(woken, time.Since(moved))
	}
	woken.report(b, "woken-")
}
