package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Status is .dmfs/status.json of a mount, as far as the tests read it.
type Status struct {
	Seq     uint64
	Files   int
	Peers   []StatusPeer
	Refused []struct{ Name, Reason string }

	Member   *struct{ Name, Serial string }
	Warnings []StatusWarning
}

// StatusWarning is something odd about a file, or about the node.
type StatusWarning struct{ Name, Text string }

// StatusPeer is what it says of another node.
type StatusPeer struct {
	ID, Name  string
	Connected bool
	Relay     string
	Since     time.Time
	NotAfter  time.Time `json:"not_after"`
	Faults    []StatusFault
}

// StatusFault is what the other node did wrong.
type StatusFault struct {
	Text  string
	Count int
}

// Peer is what the status page of a running node says of another one.
func (n *Node) Peer(other *Node) StatusPeer {
	n.mesh.t.Helper()
	for _, p := range n.Status().Peers {
		if p.ID == other.ID {
			return p
		}
	}
	return StatusPeer{}
}

// Blames reports whether the status says that the node with this id and name does wrong what the text says.
func (s Status) Blames(id, name, text string) bool {
	return slices.ContainsFunc(s.Peers, func(p StatusPeer) bool {
		return p.ID == id && p.Name == name && slices.ContainsFunc(p.Faults, func(f StatusFault) bool {
			return f.Text == text && f.Count > 0
		})
	})
}

// Connected is the number of connected peers.
func (s Status) Connected() (n int) {
	for _, p := range s.Peers {
		if p.Connected {
			n++
		}
	}
	return n
}

// Status reads the status page of a running node.
func (n *Node) Status() (s Status) {
	n.mesh.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.Mount, ".dmfs", "status.json"))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		n.mesh.t.Fatalf("node %s: %v", n.Name, err)
	}
	return s
}

// Snapshot is every file in a mount, signatures too, by path.
type Snapshot map[string]string

// Snapshot reads everything in the mount.
func (n *Node) Snapshot() Snapshot {
	n.mesh.t.Helper()
	files := Snapshot{}
	err := filepath.WalkDir(n.Mount, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted since it was listed
		}
		name, _ := filepath.Rel(n.Mount, path)
		files[name] = string(content)
		return err
	})
	if err != nil {
		n.mesh.t.Fatalf("node %s: %v", n.Name, err)
	}
	return files
}

// Differs says in what other is not the same as s.
func (s Snapshot) Differs(other Snapshot) error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if got, ok := other[name]; !ok || got != s[name] {
			return fmt.Errorf("%s is %s, not %s", name, brief(got, ok), brief(s[name], true))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		if _, ok := s[name]; !ok {
			return fmt.Errorf("%s is there", name)
		}
	}
	return nil
}

func brief(content string, ok bool) string {
	if !ok {
		return "not there"
	}
	return fmt.Sprintf("%d bytes %.60q", len(content), content)
}

// Shows returns a condition for Eventually: each of nodes shows content as name.
func Shows(name string, content []byte, nodes ...*Node) func() error {
	return func() error {
		for _, n := range nodes {
			got, err := os.ReadFile(filepath.Join(n.Mount, name))
			if err != nil || !bytes.Equal(got, content) {
				return fmt.Errorf("node %s: %s is %s, not %s: %w", n.Name, name,
					brief(string(got), err == nil), brief(string(content), true), err)
			}
		}
		return nil
	}
}

// Equal returns a condition for Eventually: all nodes show the same.
func Equal(nodes ...*Node) func() error {
	return func() error {
		want := nodes[0].Snapshot()
		for _, n := range nodes[1:] {
			if err := want.Differs(n.Snapshot()); err != nil {
				return fmt.Errorf("node %s is not like %s: %w", n.Name, nodes[0].Name, err)
			}
		}
		return nil
	}
}
