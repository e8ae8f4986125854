package fs_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/fs/fstest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// mountNamespace mounts an index whose policy has the namespace telemetry, and
// returns the network's key.
func mountNamespace(t *testing.T) (n *fstest.Node, network *trust.Signer) {
	t.Helper()
	n, network = fstest.Mount(t, "f"), trusttest.Signer(100)
	p, err := trust.NewPolicy(trust.Rules{Network: network.Public().Key, Namespaces: []string{"telemetry"}})
	if err != nil {
		t.Fatal(err)
	}
	putInForce(t, n, p)
	return n, network
}

func keyPart(s *trust.Signer) string {
	k := s.Public().Key
	return base64.RawURLEncoding.EncodeToString(k[:])
}

// memberSignature is what a member signs, without the certificate.
func memberSignature(t *testing.T, member *trust.Signer, network trust.Key, name string, content []byte, version int64) []byte {
	t.Helper()
	text, err := member.Sign(trust.DigestOf(content), trust.Statement{
		Name: trusttest.Name(t, name), Version: trust.Version(version * 1e9), Network: network,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestMemberNeedNotCarryItsCertificate when the node knows it.
func TestMemberNeedNotCarryItsCertificate(t *testing.T) {
	n, network := mountNamespace(t)
	ann, content := trusttest.Signer(101), []byte("up\n")
	path := "telemetry/" + keyPart(ann)
	signature := memberSignature(t, ann, network.Public().Key, path, content, 1)
	for name, data := range map[string][]byte{"x": content, "x.sig": signature} {
		if err := os.WriteFile(filepath.Join(n.Work, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, ok := n.Shell("cp x $M/" + path + " && cp x.sig $M/" + path + ".sig"); ok || !strings.Contains(out, "Required key not available") {
		t.Errorf("of a stranger: %v %s", ok, out)
	}
	chain := trusttest.Certify(t, network, trust.Chain{}, ann.Public().Key, "ann")
	if err := n.Index.Learn(chain); err != nil {
		t.Fatal(err)
	}
	n.Must("cp x $M/" + path + " && cp x.sig $M/" + path + ".sig && cmp x $M/" + path)
	if shown := n.Must("cat $M/" + path + ".sig"); !bytes.HasSuffix([]byte(shown), chain.PEM()) {
		t.Errorf("shown without what proves it: %s", shown)
	}
}
