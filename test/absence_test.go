package test

import (
	"fmt"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
)

// promised is within which a node that is back has what it missed.
const promised = 2 * time.Second

// tenNames are enough to tell ten updates apart.
func tenNames() (names []string) {
	for i := range 10 {
		names = append(names, fmt.Sprintf("update/%d", i))
	}
	return names
}

// publish signs content at n and copies it into its mount, as of now.
func publish(t testing.TB, m *harness.Mesh, n *harness.Node, name string, content []byte) {
	t.Helper()
	signature := m.Sign(m.Signer, name, content, trust.VersionAt(time.Now()))
	if err := n.Copy(name, content, signature); err != nil {
		t.Fatalf("node %s: %s: %v", n.Name, name, err)
	}
}

// publishAll publishes a new content of every name, from one node after the
// other.
func publishAll(t *testing.T, m *harness.Mesh, what string, names []string, from ...*harness.Node) {
	t.Helper()
	for i, name := range names {
		publish(t, m, from[i%len(from)], name, fmt.Appendf(nil, "%s %s\n", what, name))
	}
}

// TestNodeOffDuringTenUpdatesHasAllOnceItIsBack takes one node away in each way
// that a node goes. Being back is what its users can see: the mount is there,
// or the network is.
func TestNodeOffDuringTenUpdatesHasAllOnceItIsBack(t *testing.T) {
	for _, test := range []struct {
		name            string
		leave, comeBack func(*harness.Node)
	}{
		{"stopped", (*harness.Node).Stop, (*harness.Node).Start},
		{"killed", (*harness.Node).Kill, (*harness.Node).Start},
		{"new", func(n *harness.Node) { n.Stop(); n.Forget() }, (*harness.Node).Start},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := harness.Start(t, harness.Options{Files: harness.Names(tenNames()...)})
			absence(t, m, test.leave, test.comeBack)
		})
	}
	t.Run("unplugged for a moment", func(t *testing.T) { // its connections survive
		lan := harness.NewLan(t, 3)
		m := harness.Start(t, harness.Options{Files: harness.Names(tenNames()...), Lan: lan})
		absence(t, m,
			func(*harness.Node) { lan.Hosts[2].Unplug() },
			func(*harness.Node) { lan.Hosts[2].Plug() })
	})
}

// TestNodeUnpluggedUntilGivenUpHasAllUpdatesOnceItIsBack waits for the
// connections to end, so it runs beside others.
func TestNodeUnpluggedUntilGivenUpHasAllUpdatesOnceItIsBack(t *testing.T) {
	t.Parallel()
	lan := harness.NewLan(t, 3)
	m := harness.Start(t, harness.Options{Files: harness.Names(tenNames()...), Lan: lan})
	absence(t, m, func(*harness.Node) { lan.Hosts[2].Unplug() }, func(n *harness.Node) {
		awaitPeers(t, 1, m.Nodes[:2]...)
		awaitPeers(t, 0, n)
		lan.Hosts[2].Plug()
	})
}

// awaitPeers waits until each of nodes is connected to exactly so many peers.
func awaitPeers(t *testing.T, want int, nodes ...*harness.Node) {
	t.Helper()
	took := harness.Eventually(t, patience, func() error {
		for _, n := range nodes {
			if got := n.Status().Connected(); got != want {
				return fmt.Errorf("node %s has %d peers, not %d", n.Name, got, want)
			}
		}
		return nil
	})
	t.Logf("given up after %v", took)
}

// absence takes the last node away during the updates.
func absence(t *testing.T, m *harness.Mesh, leave, comeBack func(*harness.Node)) {
	t.Helper()
	n, others := m.Nodes[2], m.Nodes[:2]
	publishAll(t, m, "before", tenNames(), m.Nodes...)
	harness.Eventually(t, patience, harness.Equal(m.Nodes...))
	leave(n)
	publishAll(t, m, "meanwhile", tenNames(), others...)
	harness.Eventually(t, patience, harness.Equal(others...))
	comeBack(n)
	took := harness.Eventually(t, harness.Within(promised), harness.Equal(m.Nodes...))
	t.Logf("all ten after %v", took)
	for _, name := range tenNames() {
		harness.Eventually(t, 0, harness.Shows(name, fmt.Appendf(nil, "meanwhile %s\n", name), n))
	}
}

// TestLastGoodContentsAreReadableWithoutNetwork starts a node when no other
// runs: what it has must be there when it says that it is mounted.
func TestLastGoodContentsAreReadableWithoutNetwork(t *testing.T) {
	m := harness.Start(t, harness.Options{Files: harness.Names(tenNames()...)})
	publishAll(t, m, "last good", tenNames(), m.Nodes[0])
	harness.Eventually(t, patience, harness.Equal(m.Nodes...))
	want := m.Nodes[0].Snapshot()
	for _, n := range m.Nodes {
		n.Stop()
	}
	n := m.Nodes[2]
	n.Start()
	if err := want.Differs(n.Snapshot()); err != nil {
		t.Errorf("when the mount is there: %v", err)
	}
	if got := n.Status().Connected(); got != 0 {
		t.Errorf("%d peers that do not run", got)
	}
	publish(t, m, n, "update/0", []byte("and it can be written\n"))
}
