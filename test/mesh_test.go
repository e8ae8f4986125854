package test

import (
	"testing"

	"dmfs/test/harness"
)

// TestTwelveNodes: each of twelve nodes is connected to all others, and shows what they publish, on a subnet and
// behind one address, of which libp2p by default takes eight.
func TestTwelveNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("full length only")
	}
	for name, hosts := range map[string]int{"subnet": 12, "one address": 1} {
		t.Run(name, func(t *testing.T) {
			o := members()
			o.Nodes, o.Lan = 12, harness.NewLan(t, hosts)
			m := harness.Start(t, o)
			for _, n := range m.Nodes {
				content := noise(n.Name, 100<<10)
				publish(t, m, n, "config.json", content)
				harness.Eventually(t, patience, harness.Shows("config.json", content, m.Nodes...))
			}
		})
	}
}
