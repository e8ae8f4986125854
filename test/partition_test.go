package test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// healed is within which two halves are equal once packets pass again.
const healed = 5 * time.Second

// TestHalvesOfAPartitionAreEqualOnceItHeals heals it before anybody has given
// a connection up.
func TestHalvesOfAPartitionAreEqualOnceItHeals(t *testing.T) {
	partition(t, nil, func(*harness.Mesh) {})
}

// TestHalvesThatGaveUpAreEqualOnceThePartitionHeals waits for the connections
// to end, so it runs beside others.
func TestHalvesThatGaveUpAreEqualOnceThePartitionHeals(t *testing.T) {
	for _, transports := range [][]string{{"quic", "tcp"}, {"tcp"}} {
		t.Run(transports[0], func(t *testing.T) {
			t.Parallel()
			partition(t, transports, func(m *harness.Mesh) { awaitPeers(t, 1, m.Nodes...) })
		})
	}
}

// partition parts four nodes two and two; both halves accept updates, of
// different names and of the same, some with equal timestamps by two signers
// (I4).
func partition(t *testing.T, transports []string, until func(*harness.Mesh)) {
	t.Helper()
	lan := harness.NewLan(t, 2, 2)
	m := harness.Start(t, harness.Options{Nodes: 4, Lan: lan, Files: contested(), Transports: transports})
	halves := [2][]*harness.Node{m.Nodes[:2], m.Nodes[2:]}
	lan.Part()
	for i, half := range halves {
		publishAll(t, m, fmt.Sprintf("half %d", i), tenNames(), half...)
	}
	winners := contest(t, m, halves)
	for _, half := range halves {
		harness.Eventually(t, patience, harness.Equal(half...))
	}
	if err := harness.Equal(m.Nodes...)(); err == nil {
		t.Fatal("there is no partition")
	}
	until(m)
	lan.Heal()
	took := harness.Eventually(t, harness.Within(healed), harness.Equal(m.Nodes...))
	t.Logf("equal after %v", took)
	for name, signature := range winners {
		harness.Eventually(t, 0, harness.Shows(name+".sig", signature, m.Nodes...))
	}
}

// contested is a table [files] with names that two signers may sign.
func contested() map[string][]string {
	files := harness.Names(tenNames()...)
	for _, name := range []string{"contested/digest", "contested/signer", "contested/version"} {
		for i := range 2 {
			files[name] = append(files[name], trusttest.Signer(i+1).Public().Key.String())
		}
	}
	return files
}

// contest publishes each contested name in both halves, by one signer in each,
// and returns the signatures that have to win.
func contest(t *testing.T, m *harness.Mesh, halves [2][]*harness.Node) map[string][]byte {
	t.Helper()
	now := trust.VersionAt(time.Now())
	winners := map[string][]byte{}
	for _, c := range []struct {
		name     string
		contents [2]string
		versions [2]trust.Version
		winner   int
	}{
		{"contested/digest", [2]string{"one", "two"}, [2]trust.Version{now, now}, greater(digest("one"), digest("two"))},
		{"contested/signer", [2]string{"same", "same"}, [2]trust.Version{now, now}, greater(key(1), key(2))},
		{"contested/version", [2]string{"one", "two"}, [2]trust.Version{now, now - 1}, 0},
	} {
		for i, half := range halves {
			content := []byte(c.contents[i])
			signature := m.Sign(trusttest.Signer(i+1), c.name, content, c.versions[i])
			if err := half[0].Copy(c.name, content, signature); err != nil {
				t.Fatalf("%s in half %d: %v", c.name, i, err)
			}
			if i == c.winner {
				winners[c.name] = signature
			}
		}
	}
	return winners
}

func digest(content string) []byte {
	d := trust.DigestOf([]byte(content))
	return d[:]
}

func key(i int) []byte {
	k := trusttest.Signer(i).Public().Key
	return k[:]
}

// greater is the index of the greater of two.
func greater(first, second []byte) int {
	if bytes.Compare(first, second) > 0 {
		return 0
	}
	return 1
}

// TestNetworkWithItsDefaultAddresses runs three hosts of a subnet that say
// nothing but the network's id, and each other's addresses.
func TestNetworkWithItsDefaultAddresses(t *testing.T) {
	m := harness.Start(t, harness.Options{Network: trusttest.Signer(99), Lan: harness.NewLan(t, 3)})
	content := []byte("to every host\n")
	m.Write("config.json", content)
	m.Must("dmfs file update config.json --key my.key --mount $A")
	harness.Eventually(t, patience, harness.Shows("config.json", content, m.Nodes...))
	signature, err := os.ReadFile(filepath.Join(m.Nodes[2].Mount, "config.json.sig"))
	if err != nil || !bytes.Contains(signature, []byte("\tnetwork:")) {
		t.Errorf("the signature has no network id: %s, %v", signature, err)
	}
	m.Must("dmfs file sign config.json --key my.key")
	if out, ok := m.Shell("cp config.json config.json.sig $B/"); ok || !strings.Contains(out, "Key was rejected by service") {
		t.Errorf("a signature without network id: accepted: %v: %s", ok, out)
	}
}
