package harness

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// Options say what a mesh is like. The zero value is three nodes on loopback
// that share config.json, signed by Signer.
type Options struct {
	Nodes int
	// Files is the table [files]: for each name the keys, in any form that the
	// configuration takes.
	Files map[string][]string
	// Network signs certificates, one for each node, whose name is the node's; nil
	// is no network.
	Network *trust.Signer
	// Namespaces are the network's.
	Namespaces []string
	// Amendable lets Signer sign policy.toml.
	Amendable bool
	// Transports are the protocols to listen on and to be dialled by, "tcp" and
	// "quic"; nil is both.
	Transports []string
	// Lan puts each node on a host of its own, with the default port, or, when there
	// are fewer hosts, several on each.
	Lan     *Lan
	Known   int                // so many nodes' addresses are told, the first ones'; 0: all, less: none
	Cluster func(i int) string // further lines of the i-th node's table [cluster]; nil: none
}

// Mesh is some nodes that know each other's addresses, and a directory to
// prepare files in, with Signer's key in my.key.
type Mesh struct {
	Nodes  []*Node
	Dir    string
	Signer *trust.Signer // may sign config.json, and what the test lets it

	t       testing.TB
	options Options
	policy  *trust.Policy

	tolerated []string // in logs
}

// Signer is the signer that every mesh has a key file of.
func Signer() *trust.Signer { return trusttest.Signer(1) }

// Names is a table [files] in which Signer may sign every one of names.
func Names(names ...string) map[string][]string {
	files := map[string][]string{}
	for _, name := range names {
		files[name] = []string{Signer().Public().Key.String()}
	}
	return files
}

// New makes a mesh whose nodes are configured and not yet started.
func New(t testing.TB, o Options) *Mesh {
	t.Helper()
	NeedMount(t)
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Files == nil {
		o.Files = Names("config.json")
	}
	if o.Transports == nil {
		o.Transports = []string{"quic", "tcp"}
	}
	// Not t.TempDir, whose paths grow with the test's name: a socket's must be
	// short, and nothing may be removed while something is mounted below.
	dir, err := os.MkdirTemp("", "dmfs-test-")
	if err != nil {
		t.Fatal(err)
	}
	m := &Mesh{Dir: dir, Signer: Signer(), t: t, options: o}
	t.Cleanup(m.clear)
	m.policy = m.newPolicy()
	m.Write("my.key", m.Signer.MarshalPEM())
	for i := range o.Nodes {
		m.Nodes = append(m.Nodes, m.newNode(i))
	}
	for _, n := range m.Nodes {
		m.Write(filepath.Base(n.config), m.configFor(n))
	}
	return m
}

// Start makes a mesh, starts its nodes and waits until all are connected.
func Start(t testing.TB, o Options) *Mesh {
	t.Helper()
	m := New(t, o)
	for _, n := range m.Nodes {
		n.Begin()
	}
	for _, n := range m.Nodes {
		n.Await()
	}
	m.AwaitPeers()
	return m
}

// During has whatever fails from now on fail the subtest or benchmark t, until it
// ends.
func (m *Mesh) During(t testing.TB) {
	outer := m.t
	m.t = t
	t.Cleanup(func() { m.t = outer })
}

// Tolerate lets nodes log errors that contain one of texts.
func (m *Mesh) Tolerate(texts ...string) { m.tolerated = append(m.tolerated, texts...) }

// dislike fails the test for a line of a log that must never be in it.
func (m *Mesh) dislike(n *Node, line string) {
	for _, text := range m.tolerated {
		if strings.Contains(line, text) {
			return
		}
	}
	for _, bad := range []string{"DATA RACE", "panic: ", "panic in ", "fatal error:", "level=ERROR"} {
		if strings.Contains(line, bad) {
			m.t.Errorf("node %s logged %q", n.Name, line)
		}
	}
}

// newPolicy is what the nodes' configuration says, for looking into an index.
func (m *Mesh) newPolicy() *trust.Policy {
	m.t.Helper()
	rules := trust.Rules{Network: m.networkID(), Files: map[trust.Name][]trust.PublicKey{}, Namespaces: m.options.Namespaces}
	if m.options.Amendable {
		rules.PolicySigners = []trust.PublicKey{m.Signer.Public()}
	}
	for text, keys := range m.options.Files {
		name := trusttest.Name(m.t, text)
		for _, key := range keys {
			public, err := trust.ReadKey(key)
			if err != nil {
				m.t.Fatal(err)
			}
			rules.Files[name] = append(rules.Files[name], public)
		}
	}
	policy, err := trust.NewPolicy(rules)
	if err != nil {
		m.t.Fatal(err)
	}
	return policy
}

// networkID is zero without a network.
func (m *Mesh) networkID() trust.Key {
	if m.options.Network == nil {
		return trust.Key{}
	}
	return m.options.Network.Public().Key
}

func (m *Mesh) newNode(i int) *Node {
	m.t.Helper()
	letter := nodeName(i)
	n := &Node{
		Name: letter, Mount: filepath.Join(m.Dir, letter), State: filepath.Join(m.Dir, letter+".state"),
		config: filepath.Join(m.Dir, letter+".toml"), log: filepath.Join(m.Dir, letter+".log"), mesh: m,
	}
	id, err := trust.GenerateSigner()
	if err == nil {
		err = os.Mkdir(n.State, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(n.State, "identity.key"), id.MarshalPEM(), 0o600)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	n.Key, n.ID = id, replica.PeerID(id.Public().Key)
	if m.options.Network != nil {
		n.Certify(trust.CertificateSpec{NotBefore: time.Now(), NotAfter: time.Now().Add(24 * time.Hour)})
	}
	n.address, n.port = "127.0.0.1", 0
	if m.options.Lan != nil {
		hosts := m.options.Lan.Hosts
		n.host = hosts[i%len(hosts)]
		n.address, n.port = n.host.Address, defaultPort+i/len(hosts)
	} else {
		n.port = freePort(m.t)
	}
	return n
}

// defaultPort is where a node listens that is not told where.
const defaultPort = 7946

// nodeName is a, b, c... z, a1, b1...
func nodeName(i int) string {
	name := string(rune('a' + i%26))
	if i >= 26 {
		name += strconv.Itoa(i / 26)
	}
	return name
}

// configFor is the configuration of n, who is told the addresses of all others.
func (m *Mesh) configFor(n *Node) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "mountpoint = %q\nstate_dir = %q\n\n[cluster]\n", n.Mount, n.State)
	if m.options.Network == nil || m.options.Lan == nil || n.port != defaultPort {
		fmt.Fprintf(&b, "listen = [ %s ]\n", quoted(n.multiaddrs()))
	} // else the default
	var peers []string
	for i, other := range m.Nodes {
		if other != n && (m.options.Known == 0 || i < m.options.Known) {
			peers = append(peers, other.Addresses()...)
		}
	}
	fmt.Fprintf(&b, "bootstrap_peers = [ %s ]\n", quoted(peers))
	if m.options.Cluster != nil {
		b.WriteString(m.options.Cluster(slices.Index(m.Nodes, n)) + "\n")
	}
	if m.options.Network != nil {
		fmt.Fprintf(&b, "\n[network]\nid = %q\nnamespaces = [ %s ]\n", m.networkID(), quoted(m.options.Namespaces))
	}
	fmt.Fprintf(&b, "\n[files]\n")
	for _, name := range slices.Sorted(maps.Keys(m.options.Files)) {
		fmt.Fprintf(&b, "%q = [ %s ]\n", name, quoted(m.options.Files[name]))
	}
	if m.options.Amendable {
		fmt.Fprintf(&b, "\n[policy]\nsigners = [ %q ]\n", m.Signer.Public().Key)
	}
	return []byte(b.String())
}

// quoted is a list of TOML strings; Go's and TOML's escapes agree on keys.
func quoted(texts []string) string {
	var list []string
	for _, text := range texts {
		list = append(list, fmt.Sprintf("%q", text))
	}
	return strings.Join(list, ", ")
}

// AwaitPeers waits until every running node is connected to every other one.
func (m *Mesh) AwaitPeers() {
	m.t.Helper()
	running := m.running()
	Eventually(m.t, patience, func() error {
		for _, n := range running {
			if got := n.Status().Connected(); got < len(running)-1 {
				return fmt.Errorf("node %s has %d peers of %d", n.Name, got, len(running)-1)
			}
		}
		return nil
	})
}

func (m *Mesh) running() (running []*Node) {
	for _, n := range m.Nodes {
		if n.Running() {
			running = append(running, n)
		}
	}
	return running
}

// clear ends what still runs and removes the directory.
func (m *Mesh) clear() {
	for _, n := range m.running() {
		n.Stop()
	}
	var errs []error
	for _, n := range m.Nodes {
		errs = append(errs, n.clear())
	}
	if m.t.Failed() {
		for _, n := range m.Nodes {
			m.t.Logf("log of node %s:\n%s", n.Name, n.Log())
		}
	}
	if err := errors.Join(errs...); err != nil {
		m.t.Errorf("left in %s: %v", m.Dir, err)
		return
	}
	if err := os.RemoveAll(m.Dir); err != nil {
		m.t.Error(err)
	}
}
