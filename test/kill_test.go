package test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestKilledNodesKeepEveryVersionWhoseCloseReturnedZero sends SIGKILL to random
// nodes at random moments while somebody writes at each (I3). A killed node's
// index is sound and has every version that was acknowledged there, or a newer
// one; its mount comes back over the dead one; in the end all nodes are equal
// and nothing that any of them acknowledged is lost.
func TestKilledNodesKeepEveryVersionWhoseCloseReturnedZero(t *testing.T) {
	kills, seed := 100, rand.Uint64()
	if testing.Short() {
		kills = 15
	}
	t.Logf("%d kills, seed %d", kills, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := []string{"log/0", "log/1", "log/2", "log/3", "log/4", "log/5"}
	m := harness.Start(t, harness.Options{Files: harness.Names(names...)})
	writers := startWriters(m, names)
	defer writers.stop()
	for range kills {
		n := m.Nodes[random.IntN(len(m.Nodes))]
		<-time.After(time.Duration(random.Int64N(int64(100 * time.Millisecond)))) // at any moment
		n.Kill()
		if random.IntN(4) == 0 { // also while it starts
			n.Begin()
			<-time.After(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
			n.Kill()
		}
		checkKilled(t, n, writers.acknowledgedAt(n))
		if t.Failed() {
			return
		}
		n.Start()
	}
	writers.stop()
	t.Logf("%d versions were acknowledged, %d writes failed", writers.written, writers.failed)
	if writers.written < kills || writers.failed == 0 {
		t.Errorf("nothing was written when the nodes were killed")
	}
	harness.Eventually(t, patience, func() error {
		if err := harness.Equal(m.Nodes...)(); err != nil {
			return err
		}
		return writers.missing(m.Nodes[0])
	})
}

// checkKilled opens the index that a killed node left.
func checkKilled(t *testing.T, n *harness.Node, acknowledged map[string]trust.Version) {
	t.Helper()
	ix := n.Index()
	defer ix.Close()
	if err := ix.Check(); err != nil {
		t.Errorf("node %s: %v", n.Name, err)
	}
	for name, version := range acknowledged {
		e, ok := ix.Get(trusttest.Name(t, name))
		if !ok || e.Record.Version() < version {
			t.Fatalf("node %s had acknowledged %s of %v and has %v of %v", n.Name, name, version, ok, e.Record.Version())
		}
	}
}

// entry is what the writers write: it tells its version and proves to be whole.
type entry struct {
	Version trust.Version
	Padding []byte
	Sum     [32]byte
}

func newEntry(v trust.Version) []byte {
	padding := make([]byte, rand.IntN(20_000))
	text, err := json.Marshal(entry{v, padding, sum(v, padding)})
	if err != nil {
		panic(err)
	}
	return text
}

func sum(v trust.Version, padding []byte) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %x", v, padding))
}

// versionOf reads an entry out of a mount.
func versionOf(n *harness.Node, name string) (trust.Version, error) {
	text, err := os.ReadFile(filepath.Join(n.Mount, name))
	if err != nil {
		return 0, err
	}
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if e.Sum != sum(e.Version, e.Padding) {
		return 0, fmt.Errorf("%s is not whole", name)
	}
	return e.Version, nil
}

// writers write at every node, all of them the same names.
type writers struct {
	mesh  *harness.Mesh
	names []string
	quit  chan struct{}
	once  sync.Once
	group sync.WaitGroup

	mu      sync.Mutex
	acked   map[*harness.Node]map[string]trust.Version
	written int
	failed  int // a node was away, or had a newer version
}

func startWriters(m *harness.Mesh, names []string) *writers {
	w := &writers{mesh: m, names: names, quit: make(chan struct{}), acked: map[*harness.Node]map[string]trust.Version{}}
	for _, n := range m.Nodes {
		w.acked[n] = map[string]trust.Version{}
	}
	for _, n := range m.Nodes {
		w.group.Go(func() { w.run(n) })
	}
	return w
}

// stop may be called again.
func (w *writers) stop() {
	w.once.Do(func() { close(w.quit) })
	w.group.Wait()
}

func (w *writers) run(n *harness.Node) {
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-pause.C:
			w.write(n, w.names[rand.IntN(len(w.names))])
		}
	}
}

func (w *writers) write(n *harness.Node, name string) {
	version := trust.VersionAt(time.Now())
	content := newEntry(version)
	signature := w.mesh.Sign(w.mesh.Signer, name, content, version)
	err := n.Copy(name, content, signature)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed++
		return
	}
	w.written++
	w.acked[n][name] = max(w.acked[n][name], version)
}

// acknowledgedAt is a copy of what was acknowledged at n so far.
func (w *writers) acknowledgedAt(n *harness.Node) map[string]trust.Version {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked := map[string]trust.Version{}
	for name, version := range w.acked[n] {
		acked[name] = version
	}
	return acked
}

// missing says which version n does not show that any node has acknowledged.
func (w *writers) missing(n *harness.Node) error {
	for at, acked := range w.acked {
		for name, version := range acked {
			if got, err := versionOf(n, name); err != nil || got < version {
				return fmt.Errorf("%s: node %s had acknowledged %d, node %s shows %d: %w", name, at.Name, version, n.Name, got, err)
			}
		}
	}
	return nil
}
