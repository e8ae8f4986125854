package replicatest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/replica"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// Patience is how long Eventually waits. It is no promise of the product.
const Patience = 60 * time.Second

// Starter starts a replica: replica.Start, or a test's own variant.
type Starter func(context.Context, replica.Config, *index.Index) (*replica.Replica, error)

// Node is a node that can be stopped and started again: it keeps its identity, ports and index.
type Node struct {
	Index   *index.Index
	Replica *replica.Replica // nil while stopped
	Config  replica.Config   // may be changed while stopped
	Start   func(t testing.TB)

	stopped func()
}

// New returns the i-th node, not started. Its identity depends on i alone. The options are the index's.
func New(t testing.TB, i int, p *trust.Policy, start Starter, options ...index.Option) *Node {
	t.Helper()
	return newNode(t, i, filepath.Join(t.TempDir(), fmt.Sprint("index", i)), p, start, func() {}, options...)
}

// newNode does so with an index at path; stopped is called once the replica is closed.
func newNode(t testing.TB, i int, path string, p *trust.Policy, start Starter, stopped func(), options ...index.Option) *Node {
	t.Helper()
	n := &Node{
		Index: indextest.OpenAt(t, path, p, options...),
		Config: replica.Config{
			Identity: trusttest.Signer(identity + i).Ed25519(),
			Listen:   []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"},
			Version:  "test",
		},
		stopped: stopped,
	}
	n.Start = func(t testing.TB) { t.Helper(); n.start(t, start) }
	t.Cleanup(func() { n.Stop(t) })
	return n
}

func (n *Node) start(t testing.TB, start Starter) {
	t.Helper()
	r, err := start(context.Background(), n.Config, n.Index)
	if err != nil {
		t.Fatal(err)
	}
	n.Replica = r
	n.Config.Listen = nil
	for _, a := range r.Addrs() {
		addr, _, _ := strings.Cut(a, "/p2p/")
		n.Config.Listen = append(n.Config.Listen, addr)
	}
}

// Stop stops the node, if it runs. Its index stays open.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	if n.Replica == nil {
		return
	}
	if err := n.Replica.Close(); err != nil {
		t.Error(err)
	}
	n.Replica = nil
	n.stopped()
}

// Mesh starts a node for each policy and waits until every node has compared itself with every other.
func Mesh(t testing.TB, policies ...*trust.Policy) []*Node {
	t.Helper()
	return MeshWith(t, func(int) Starter { return replica.Start }, policies...)
}

// MeshWith does the same with a starter for each node.
func MeshWith(t testing.TB, starter func(i int) Starter, policies ...*trust.Policy) []*Node {
	t.Helper()
	var nodes []*Node
	for i, p := range policies {
		n := New(t, i, p, starter(i))
		for _, other := range nodes {
			n.Config.Bootstrap = append(n.Config.Bootstrap, other.Replica.Addrs()...)
		}
		n.Start(t)
		nodes = append(nodes, n)
	}
	Eventually(t, "all nodes have compared themselves", func() bool { return Acquainted(nodes...) })
	return nodes
}

// Acquainted reports whether each node is connected to, and has compared itself with, each other one.
func Acquainted(nodes ...*Node) bool {
	for _, n := range nodes {
		if met(n) < len(nodes)-1 {
			return false
		}
	}
	return true
}

// met returns with how many peers a node is connected and has compared itself.
func met(n *Node) (count int) {
	for _, p := range n.Replica.Peers() {
		if p.Connected && !p.LastSync.IsZero() {
			count++
		}
	}
	return count
}

// Write applies records as the mount does.
func (n *Node) Write(t testing.TB, recs ...trust.Record) {
	t.Helper()
	outcomes, err := n.Index.Apply("mount", recs...)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
}

// Holds reports whether the node holds the very record, with its content.
func (n *Node) Holds(rec trust.Record) bool {
	e, ok := n.Index.Get(rec.Name())
	if !ok || e.Record.IsZero() || trust.Compare(e.Record, rec) != 0 {
		return false
	}
	content, _ := rec.Content()
	held, err := n.Index.Content(rec.Digest())
	return rec.Deleted() || err == nil && string(held) == string(content)
}

// AwaitHeld waits until all the nodes hold all the records.
func AwaitHeld(t testing.TB, nodes []*Node, recs ...trust.Record) {
	t.Helper()
	for i, n := range nodes {
		for _, rec := range recs {
			Eventually(t, fmt.Sprintf("node %d holds %s", i, rec.Name()), func() bool { return n.Holds(rec) })
		}
	}
}

// Eventually waits until the condition holds, and fails the test after Patience.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(Patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not in %v: %s", Patience, what)
		}
	}
}
