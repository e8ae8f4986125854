package test

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
)

// TestWatcherOfARemoteMountGetsMovedToAndDelete runs stock inotifywait on a
// node that nobody writes at, in the root and in a directory.
func TestWatcherOfARemoteMountGetsMovedToAndDelete(t *testing.T) {
	harness.Need(t, "inotifywait")
	m := harness.Start(t, harness.Options{Files: harness.Names("config.json", "dns/cnames")})
	for _, name := range []string{"config.json", "dns/cnames"} {
		dir, base := "", name
		if i := strings.LastIndex(name, "/"); i >= 0 {
			dir, base = "/"+name[:i], name[i+1:]
		}
		events := watch(t, m.Nodes[2].Mount+dir)
		publish(t, m, m.Nodes[0], name, []byte("created\n"))
		harness.Eventually(t, patience, events.saw("MOVED_TO "+base, 1))
		publish(t, m, m.Nodes[1], name, []byte("updated\n"))
		harness.Eventually(t, patience, events.saw("MOVED_TO "+base, 2))

		m.Write(base+".sig", m.Tombstone(name, trust.VersionAt(time.Now())))
		m.Must("cp " + base + ".sig $A" + dir + "/")
		harness.Eventually(t, patience, events.saw("DELETE "+base, 1))
		for i, n := range m.Nodes {
			if _, ok := n.Snapshot()[name]; ok && i != 1 {
				t.Errorf("node %s still shows %s", n.Name, name)
			}
		}
		events.hasNone(t, "CREATE", "MODIFY", "CLOSE_WRITE")
	}
}

// events are what a watcher printed so far, one a line.
type events struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// watch starts inotifywait and returns when it watches.
func watch(t *testing.T, dir string) *events {
	t.Helper()
	e := &events{}
	cmd := exec.Command("inotifywait", "-m", "--format", "%e %f",
		"-e", "create,delete,modify,close_write,moved_to", dir)
	cmd.Stdout = e
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() //nolint:errcheck // killed
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Watches established") {
			return e
		}
	}
	t.Fatalf("inotifywait does not watch: %v", lines.Err())
	return nil
}

// Write takes what the watcher prints.
func (e *events) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(p)
}

func (e *events) lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Split(e.text.String(), "\n")
}

// saw returns a condition: the event came so many times.
func (e *events) saw(event string, times int) func() error {
	return func() error {
		n := 0
		for _, line := range e.lines() {
			if line == event {
				n++
			}
		}
		if n != times {
			return fmt.Errorf("%d times %s in %q", n, event, e.lines())
		}
		return nil
	}
}

func (e *events) hasNone(t *testing.T, kinds ...string) {
	t.Helper()
	for _, line := range e.lines() {
		for _, kind := range kinds {
			if strings.HasPrefix(line, kind) {
				t.Errorf("a watcher saw %s", line)
			}
		}
	}
}
