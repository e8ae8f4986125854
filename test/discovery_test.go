package test

import (
	"testing"

	"dmfs/test/harness"
	"dmfs/trust/trusttest"
)

// TestMembersOnALanFindEachOther: nobody is told any address.
func TestMembersOnALanFindEachOther(t *testing.T) {
	m := harness.Start(t, harness.Options{
		Nodes: 2, Network: trusttest.Signer(99), Lan: harness.NewLan(t, 2), Known: -1,
		Cluster: func(int) string { return "mdns = true" },
	})
	publish(t, m, m.Nodes[0], "config.json", []byte("found\n"))
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("found\n"), m.Nodes...))
}
