package test

import (
	"fmt"
	"testing"

	"dmfs/test/harness"
)

// TestNodeWithAHundredFilesStaysBelow80MiB looks at the resident memory once
// every node has all files; they came through the mount of one, over the network
// to the others.
func TestNodeWithAHundredFilesStaysBelow80MiB(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector takes a multiple")
	}
	const limit = 80 << 20
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("file/%d", i))
	}
	m := harness.Start(t, harness.Options{Files: harness.Names(names...)})
	for _, name := range names {
		publish(t, m, m.Nodes[0], name, noise(name, 4<<10))
	}
	harness.Eventually(t, patience, harness.Equal(m.Nodes...))
	for _, n := range m.Nodes {
		resident := n.Resident()
		t.Logf("node %s: %.1f MiB resident", n.Name, float64(resident)/(1<<20))
		if resident > limit {
			t.Errorf("node %s: more than %d MiB", n.Name, limit>>20)
		}
	}
}
