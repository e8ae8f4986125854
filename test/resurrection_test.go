package test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
)

// TestDeletedStaysDeleted tries to bring a deleted file back: by a node that was
// away with it, by one whose state was restored from a backup, and by copying
// the old pair in once more.
func TestDeletedStaysDeleted(t *testing.T) {
	m := harness.Start(t, harness.Options{Files: harness.Names("config.json", "next")})
	a, b, c := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	content, version := []byte("access for ann\n"), trust.VersionAt(time.Now())
	signature := m.Sign(m.Signer, "config.json", content, version)
	if err := a.Copy("config.json", content, signature); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, patience, harness.Shows("config.json", content, m.Nodes...))
	b.Stop()
	c.Stop()
	backup := keep(t, b)
	b.Start()
	m.Must("dmfs file delete config.json --key my.key --mount $A")
	harness.Eventually(t, patience, gone("config.json", a, b))
	arrivals := harness.Arrivals(t, a.Mount)

	c.Start() // it was away
	harness.Eventually(t, patience, gone("config.json", c))
	b.Stop()
	restore(t, b, backup)
	b.Start()
	harness.Eventually(t, patience, gone("config.json", b))
	for _, n := range m.Nodes {
		if err := n.Copy("config.json", content, signature); !errors.Is(err, syscall.ESTALE) {
			t.Errorf("node %s took the old pair: %v", n.Name, err)
		}
	}
	publish(t, m, b, "next", []byte("this arrives\n"))
	if first := <-arrivals; first != "next" {
		t.Errorf("%s came back for a moment at a node that saw the deletion", first)
	}
	publish(t, m, c, "config.json", []byte("access for bob\n"))
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("access for bob\n"), m.Nodes...))
}

// keep returns a copy of the index of a node that does not run.
func keep(t *testing.T, n *harness.Node) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(n.State, "index.db"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func restore(t *testing.T, n *harness.Node, backup []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(n.State, "index.db"), backup, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEndedStaysEnded has one node miss a version with a lifetime from its
// beginning to its end: it must not go on with the version before.
func TestEndedStaysEnded(t *testing.T) {
	m := harness.Start(t, harness.Options{})
	a, b, c := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	publish(t, m, a, "config.json", []byte("for ever\n"))
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("for ever\n"), m.Nodes...))
	c.Stop()
	m.Write("config.json", []byte("for a moment\n"))
	m.Must("dmfs file update config.json --ttl 2s --key my.key --mount $A")
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("for a moment\n"), a, b))
	harness.Eventually(t, patience, gone("config.json", a, b))
	c.Start()
	harness.Eventually(t, patience, gone("config.json", c))
	publish(t, m, c, "config.json", []byte("again\n"))
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("again\n"), m.Nodes...))
}
