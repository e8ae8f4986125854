package replica_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestPeersAreFoundAfterTheyRenewed: what is remembered of a peer was proved by a certificate that is over.
func TestPeersAreFoundAfterTheyRenewed(t *testing.T) {
	t.Parallel()
	p := networkPolicy(t, nil, "a")
	a, b := named(t, 1, p), named(t, 2, p)
	a.Start(t)
	info, err := peer.AddrInfoFromString(a.Replica.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	old := certify(t, authority, keyOf(1), "node1", -2*time.Hour, -time.Hour)
	said, _, err := replica.Contact(identity(t, 1), info.Addrs, 1, old)
	if err != nil {
		t.Fatal(err)
	}
	line := "dmfs peers 2\n0 -\n2026-01-01T00:00:00Z " + base64.StdEncoding.EncodeToString(wire.Encode(said)) + " 0 0001-01-01T00:00:00Z - -\n"
	b.Config.PeersFile = filepath.Join(t.TempDir(), "peers")
	if err := os.WriteFile(b.Config.PeersFile, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Config.Listen = nil // nobody can reach it
	b.Start(t)
	replicatest.Eventually(t, "they are connected", func() bool { return meshed(a.Node, b.Node) })
}

func TestPeersFile(t *testing.T) {
	t.Parallel()
	nodes := star(t, 2, func(i int) *replicatest.Node {
		return replicatest.New(t, i, trusttest.Policy(t, signer, "a"), replica.Start)
	})
	n, path := nodes[1], nodes[1].Config.PeersFile
	n.Start(t)
	replicatest.Eventually(t, "they are connected", func() bool { return meshed(nodes...) })
	replicatest.Eventually(t, "they have compared themselves", func() bool { return replicatest.Acquainted(nodes...) })
	replicatest.Eventually(t, "it has told where it is", func() bool { return n.Replica.HasMet(nodes[0].Replica.Host().ID()) })
	n.Stop(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	whole, _ := os.ReadFile(path)
	if strings.Count(string(whole), "\n") != 3 {
		t.Fatalf("the file is %q", whole)
	}
	last := strings.SplitAfter(string(whole), "\n")[2]
	for what, text := range map[string]string{
		"nothing": "", "another file": "peers\n", "half": string(whole[:len(whole)/2]), "too many": string(whole) + strings.Repeat(last, 300),
		"long": string(whole) + strings.Repeat("x", 1<<20), "changed": strings.Replace(string(whole), "Z ", "Z AA", 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.Config.Bootstrap = nil
		n.Start(t)
		if peers := n.Replica.Peers(); len(peers) > 0 {
			t.Errorf("%s: peers: %+v", what, peers)
		}
		n.Stop(t)
	}
}
