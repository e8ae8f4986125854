package test

import (
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

// members is a network whose members may publish in telemetry; Signer signs its
// policy.
func members() harness.Options {
	return harness.Options{Network: trusttest.Signer(99), Namespaces: []string{"telemetry"}, Amendable: true}
}

// gone returns a condition for Eventually: no node shows the name.
func gone(name string, nodes ...*harness.Node) func() error {
	return func() error {
		for _, n := range nodes {
			if _, err := os.Lstat(filepath.Join(n.Mount, name)); !os.IsNotExist(err) {
				return fmt.Errorf("node %s has %s: %w", n.Name, name, err)
			}
		}
		return nil
	}
}

// meets returns a condition for Eventually: n is connected to the other nodes,
// or to none of them.
func meets(connected bool, n *harness.Node, others ...*harness.Node) func() error {
	return func() error {
		for _, other := range others {
			if n.Peer(other).Connected != connected || other.Peer(n).Connected != connected {
				return fmt.Errorf("nodes %s and %s: not so: connected %v", n.Name, other.Name, connected)
			}
		}
		return nil
	}
}

// TestUpstreamAcceptance is what Data Mesher promises of three machines.
func TestUpstreamAcceptance(t *testing.T) {
	m := harness.Start(t, members())
	a, b, c := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	m.Write("config.json", []byte("from a\n"))
	m.Must("dmfs file update config.json --key my.key --mount $A")
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("from a\n"), m.Nodes...))
	m.Must("dmfs file delete config.json --key my.key --mount $C")
	harness.Eventually(t, patience, gone("config.json", m.Nodes...))

	m.Write("disk", []byte("80% full\n"))
	own := b.Own("telemetry", "disk")
	m.Must("dmfs file update disk --namespace telemetry --name disk --key b.state/identity.key --mount $B")
	harness.Eventually(t, patience, harness.Shows(own, []byte("80% full\n"), m.Nodes...))
	harness.Eventually(t, patience, harness.Shows("telemetry/by-name/b/disk", []byte("80% full\n"), m.Nodes...))

	m.Must("dmfs generate identity-key --private-key-path stranger.key --public-key-path stranger.pub")
	name := harness.In("telemetry", publicKey(t, m, "stranger.pub"), "")
	out, ok := m.Shell("dmfs file update disk --name " + name + " --key stranger.key --mount $A")
	if ok || !strings.Contains(out, "certificate") {
		t.Errorf("without a certificate: accepted: %v: %s", ok, out)
	}
	harness.Eventually(t, 0, gone(name, a, c))
}

// publicKey reads one that the command line wrote.
func publicKey(t *testing.T, m *harness.Mesh, file string) trust.Key {
	t.Helper()
	key, err := trust.ReadKey(filepath.Join(m.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return key.Key
}

// TestAnotherMembersFileBringsItsCertificate publishes for a member that has no
// node: the certificate travels in the signature.
func TestAnotherMembersFileBringsItsCertificate(t *testing.T) {
	m := harness.Start(t, members())
	m.Write("network.key", trusttest.Signer(99).MarshalPEM())
	m.Must("dmfs generate identity-key --private-key-path printer.key --public-key-path printer.pub")
	m.Must("dmfs certificate sign --name printer --network-key network.key --identity-key printer.pub -o printer.crt")
	m.Write("toner", []byte("low\n"))
	name := harness.In("telemetry", publicKey(t, m, "printer.pub"), "")
	m.Must("dmfs file update toner --name " + name + " --key printer.key --cert printer.crt --mount $A")
	harness.Eventually(t, patience, harness.Shows(name, []byte("low\n"), m.Nodes...))
	m.Write("toner", []byte("new\n")) // now every node knows the member
	m.Must("dmfs file update toner --name " + name + " --key printer.key --mount $C")
	harness.Eventually(t, patience, harness.Shows(name, []byte("new\n"), m.Nodes...))
}

// TestNodeWithoutACertificateHasItsFilesAndNoNetwork gives it one while it runs.
func TestNodeWithoutACertificateHasItsFilesAndNoNetwork(t *testing.T) {
	m := harness.Start(t, members())
	c := m.Nodes[2]
	m.Tolerate("no network; the files stay readable", "the certificate was not taken")
	publish(t, m, c, "config.json", []byte("before\n"))
	c.Stop()
	if err := os.Remove(filepath.Join(c.State, "identity.crt")); err != nil {
		t.Fatal(err)
	}
	c.Start()
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("before\n"), c))
	publish(t, m, m.Nodes[0], "config.json", []byte("after\n"))
	if out := m.Must("dmfs status --mount $C"); !strings.Contains(out, "no certificate") {
		t.Errorf("status does not say what is missing: %s", out)
	}
	c.Certify(trust.CertificateSpec{NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)})
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("after\n"), c))
}

// TestOthersAreRefused shows a certificate of another network, one for another
// key, and one that is over.
func TestOthersAreRefused(t *testing.T) {
	now := time.Now()
	for name, show := range map[string]func(m *harness.Mesh, n *harness.Node){
		"of another network": func(m *harness.Mesh, n *harness.Node) {
			chain, err := trusttest.Signer(98).Certify(trust.CertificateSpec{
				Name: "c", Key: n.Key.Public().Key, NotBefore: now, NotAfter: now.Add(time.Hour),
			}, trust.Chain{})
			if err != nil {
				t.Fatal(err)
			}
			n.Show(chain)
		},
		"for another key": func(m *harness.Mesh, n *harness.Node) {
			n.Certify(trust.CertificateSpec{Key: m.Nodes[0].Key.Public().Key, NotBefore: now, NotAfter: now.Add(time.Hour)})
		},
		"over": func(m *harness.Mesh, n *harness.Node) {
			n.Certify(trust.CertificateSpec{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := harness.New(t, members())
			m.Tolerate("no network; the files stay readable", "the certificate was not taken", "certificate is not valid")
			c := m.Nodes[2]
			show(m, c)
			for _, n := range m.Nodes {
				n.Start()
			}
			harness.Eventually(t, patience, meets(true, m.Nodes[0], m.Nodes[1]))
			publish(t, m, m.Nodes[0], "config.json", []byte("for members\n"))
			harness.Eventually(t, patience, harness.Shows("config.json", []byte("for members\n"), m.Nodes[:2]...))
			harness.Eventually(t, patience, func() error {
				if log := c.Log(); !strings.Contains(log, "not admitted by a peer") && !strings.Contains(log, "the certificate was not taken") {
					return fmt.Errorf("node %s was not told", c.Name)
				}
				return nil
			})
			harness.Eventually(t, 0, gone("config.json", c))
			c.Certify(trust.CertificateSpec{NotBefore: now, NotAfter: now.Add(time.Hour)})
			harness.Eventually(t, patience, harness.Shows("config.json", []byte("for members\n"), c))
		})
	}
}

// TestRenewalKeepsConnections renews the certificate of a connected node.
func TestRenewalKeepsConnections(t *testing.T) {
	m := harness.Start(t, members())
	b, others := m.Nodes[1], []*harness.Node{m.Nodes[0], m.Nodes[2]}
	since := map[*harness.Node]time.Time{}
	for _, n := range others {
		since[n] = n.Peer(b).Since
	}
	end := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	b.Certify(trust.CertificateSpec{NotBefore: time.Now(), NotAfter: end})
	harness.Eventually(t, patience, func() error {
		for _, n := range others {
			if got := n.Peer(b).NotAfter; !got.Equal(end) {
				return fmt.Errorf("node %s knows a certificate until %v, not %v", n.Name, got, end)
			}
		}
		return nil
	})
	for _, n := range others {
		if got := n.Peer(b); !got.Connected || !got.Since.Equal(since[n]) {
			t.Errorf("node %s was reconnected: %+v", n.Name, got)
		}
	}
}

// TestCertificateThatEndsTakesItsHolderAway lets one end, and renews it.
func TestCertificateThatEndsTakesItsHolderAway(t *testing.T) {
	m := harness.New(t, members())
	m.Tolerate("certificate is not valid")
	a, b, c := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	own := b.Own("telemetry", "")
	b.Certify(trust.CertificateSpec{NotBefore: time.Now(), NotAfter: time.Now().Add(harness.Within(6 * time.Second))})
	for _, n := range m.Nodes {
		n.Start()
	}
	m.Write("disk", []byte("fine\n"))
	m.Must("dmfs file update disk --name " + own + " --key b.state/identity.key --mount $B")
	harness.Eventually(t, patience, harness.Shows(own, []byte("fine\n"), m.Nodes...))
	harness.Eventually(t, patience, gone(own, m.Nodes...))
	harness.Eventually(t, patience, meets(false, b, a, c))
	b.Certify(trust.CertificateSpec{NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)})
	harness.Eventually(t, patience, meets(true, b, a, c))
	harness.Eventually(t, patience, harness.Shows(own, []byte("fine\n"), m.Nodes...))
}

// TestRevocationTravels revokes a member's key by policy.toml.
func TestRevocationTravels(t *testing.T) {
	m := harness.Start(t, members())
	m.Tolerate("certificate is not valid")
	a, b, c := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	own := b.Own("telemetry", "")
	m.Write("disk", []byte("fine\n"))
	m.Must("dmfs file update disk --name " + own + " --key b.state/identity.key --mount $B")
	harness.Eventually(t, patience, harness.Shows(own, []byte("fine\n"), m.Nodes...))
	m.Write("policy.toml", fmt.Appendf(nil, "[revoked]\nkeys = [ %q ]\n", b.Key.Public().Key))
	m.Must("dmfs file update policy.toml --key my.key --mount $A")
	harness.Eventually(t, patience, gone(own, a, c))
	harness.Eventually(t, patience, meets(false, b, a, c))
	m.Write("policy.toml", []byte("# all are welcome\n"))
	m.Must("dmfs file update policy.toml --key my.key --mount $A")
	harness.Eventually(t, patience, harness.Shows(own, []byte("fine\n"), a, c))
	m.Must("dmfs file update policy.toml --key my.key --mount $B") // who is revoked is told nothing
	harness.Eventually(t, patience, meets(true, b, a, c))
	harness.Eventually(t, patience, harness.Equal(m.Nodes...))
}
