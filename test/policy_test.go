package test

import (
	"fmt"
	"testing"

	"dmfs/test/harness"
)

// TestPolicyChangesDuringAPartition admits a name in one half and takes another
// away in the other: the later policy is everybody's in the end.
func TestPolicyChangesDuringAPartition(t *testing.T) {
	lan := harness.NewLan(t, 2, 2)
	m := harness.Start(t, harness.Options{Nodes: 4, Lan: lan, Amendable: true})
	left, right := m.Nodes[:2], m.Nodes[2:]
	lan.Part()
	amend(m, "$A", "early")
	m.Write("early", []byte("of the left\n"))
	m.Must("dmfs file update early --key my.key --mount $B")
	harness.Eventually(t, patience, harness.Shows("early", []byte("of the left\n"), left...))

	amend(m, "$C", "late")
	m.Write("late", []byte("of the right\n"))
	m.Must("dmfs file update late --key my.key --mount $D")
	harness.Eventually(t, patience, harness.Shows("late", []byte("of the right\n"), right...))
	harness.Eventually(t, 0, gone("early", right...))

	lan.Heal()
	harness.Eventually(t, patience, harness.Shows("late", []byte("of the right\n"), m.Nodes...))
	harness.Eventually(t, patience, gone("early", m.Nodes...))
	amend(m, "$D", "early", "late") // nothing has to be published again
	harness.Eventually(t, patience, harness.Shows("early", []byte("of the left\n"), m.Nodes...))
	harness.Eventually(t, patience, harness.Equal(m.Nodes...))
}

// amend publishes a policy.toml that admits names, by the mesh's signer.
func amend(m *harness.Mesh, mount string, names ...string) {
	text := "[files]\n"
	for _, name := range names {
		text += fmt.Sprintf("%q = [ %q ]\n", name, harness.Signer().Public().Key)
	}
	m.Write("policy.toml", []byte(text))
	m.Must("dmfs file update policy.toml --key my.key --mount " + mount)
}
