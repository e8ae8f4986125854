package fstest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dmfs/fs"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// Member publishes in the namespaces of a node's policy. Its key is the one of Node.Signer.
type Member struct {
	Key string // as a part of names

	n     *Node
	chain trust.Chain
}

// MountNamespaces mounts a new index under a policy that has a network, namespaces
// and no other names.
func MountNamespaces(t testing.TB, o fs.Options, namespaces ...string) (*Node, *Member) {
	t.Helper()
	authority := trusttest.Signer(9)
	p, err := trust.NewPolicy(trust.Rules{Network: authority.Public().Key, Namespaces: namespaces})
	if err != nil {
		t.Fatal(err)
	}
	n := mount(t, o, p)
	key := n.Signer.Public().Key
	chain := trusttest.Certify(t, authority, trust.Chain{}, key, "ann")
	return n, &Member{Key: base64.RawURLEncoding.EncodeToString(key[:]), n: n, chain: chain}
}

// Pair writes a content and its signature beside the mount as files with the
// name's base, and returns their paths. The version is in seconds.
func (m *Member) Pair(name string, content []byte, version int64) (file, signature string) {
	m.n.t.Helper()
	file = filepath.Join(m.n.Work, filepath.Base(name))
	for path, data := range map[string][]byte{file: content, file + ".sig": m.sign(name, content, version, false)} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			m.n.t.Fatal(err)
		}
	}
	return file, file + ".sig"
}

// Remote applies a record as if another node had sent it.
func (m *Member) Remote(name string, content []byte, version int64) {
	m.n.t.Helper()
	m.n.Apply(m.Record(name, content, version))
}

// RemoteDelete applies a tombstone likewise.
func (m *Member) RemoteDelete(name string, version int64) {
	m.n.t.Helper()
	m.n.Apply(m.Tombstone(name, version))
}

// Record signs a content as the member's node does.
func (m *Member) Record(name string, content []byte, version int64) trust.Record {
	m.n.t.Helper()
	return m.record(name, content, m.sign(name, content, version, false))
}

// Tombstone signs a deletion likewise.
func (m *Member) Tombstone(name string, version int64) trust.Record {
	m.n.t.Helper()
	return m.record(name, nil, m.sign(name, nil, version, true))
}

func (m *Member) sign(name string, content []byte, version int64, deleted bool) []byte {
	m.n.t.Helper()
	text, err := m.n.Signer.Sign(trust.DigestOf(content), trust.Statement{
		Name: trusttest.Name(m.n.t, name), Version: trust.Version(version * 1e9),
		Network: m.n.Index.Policy().Network(), Deleted: deleted,
	})
	if err != nil {
		m.n.t.Fatal(err)
	}
	return append(text, m.chain.PEM()...)
}

func (m *Member) record(name string, content, signature []byte) trust.Record {
	m.n.t.Helper()
	r, err := m.n.Index.Policy().Verify(trust.NewClaim(trusttest.Name(m.n.t, name), signature, content), time.Now())
	if err != nil {
		m.n.t.Fatal(err)
	}
	return r
}
