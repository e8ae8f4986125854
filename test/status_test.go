package test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// crowded is a running node that knows 300 members, whose names are long, and 1000 files.
func crowded(t testing.TB) *harness.Mesh {
	t.Helper()
	const members, files = 300, 1000
	network := trusttest.Signer(99)
	names := make([]string, files)
	for i := range names {
		names[i] = fmt.Sprintf("some/directory/and-a-name-%d", i)
	}
	m := harness.New(t, harness.Options{Nodes: 1, Network: network, Files: harness.Names(names...)})
	n := m.Nodes[0]
	var chains []trust.Chain
	for i := range members {
		chain, err := network.Certify(trust.CertificateSpec{
			Name: fmt.Sprintf("a-machine-with-a-rather-long-name-%03d", i), Key: trusttest.Signer(1000 + i).Public().Key,
			NotBefore: time.Now(), NotAfter: time.Now().Add(time.Duration(i+1) * 24 * time.Hour),
		}, trust.Chain{})
		if err != nil {
			t.Fatal(err)
		}
		chains = append(chains, chain)
	}
	ix := n.Index()
	var records []trust.Record
	for _, name := range names {
		signature := m.Sign(m.Signer, name, []byte(name), trust.VersionAt(time.Now()))
		r, err := ix.Policy().Verify(trust.NewClaim(trusttest.Name(t, name), signature, []byte(name)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	_, err := ix.Apply("mount", records...)
	if err := errors.Join(err, ix.Learn(chains...), ix.Close()); err != nil {
		t.Fatal(err)
	}
	n.Start()
	harness.Eventually(t, patience, func() error {
		if got := len(n.Status().Peers); got != members {
			return fmt.Errorf("%d peers", got)
		}
		return nil
	})
	return m
}

// BenchmarkStatus is `dmfs status` of a node with 300 members, from the start of the program to its end.
func BenchmarkStatus(b *testing.B) {
	m := crowded(b)
	for _, command := range []string{"version", "status", "status --json", "peers", "status some/directory/and-a-name-1"} {
		line := filepath.Join(harness.Bin(b), "dmfs") + " " + command
		if command != "version" {
			line += " --mount $A"
		}
		b.Run(strings.ReplaceAll(command, "/", "."), func(b *testing.B) {
			var took spread
			for b.Loop() {
				started := time.Now()
				m.Must(line + " > out")
				took = append(took, time.Since(started))
			}
			took.report(b, "")
		})
	}
	b.Logf("%s", m.Read("out"))
}
