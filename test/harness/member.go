package harness

import (
	"encoding/base64"
	"os"
	"path/filepath"

	"dmfs/trust"
)

// Certify gives the node a certificate of the network, where it looks for it by
// default. What spec leaves out is the node's own name and key.
func (n *Node) Certify(spec trust.CertificateSpec) trust.Chain {
	n.mesh.t.Helper()
	if spec.Name == "" {
		spec.Name = n.Name
	}
	if spec.Key == (trust.Key{}) {
		spec.Key = n.Key.Public().Key
	}
	chain, err := n.mesh.options.Network.Certify(spec, trust.Chain{})
	if err != nil {
		n.mesh.t.Fatal(err)
	}
	n.Show(chain)
	return chain
}

// Show puts a certificate where the node looks for its own, as a tool would that
// replaces files.
func (n *Node) Show(chain trust.Chain) {
	n.mesh.t.Helper()
	path := filepath.Join(n.State, "identity.crt")
	err := os.WriteFile(path+".new", chain.PEM(), 0o644)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		n.mesh.t.Fatal(err)
	}
}

// Own is the node's name in a namespace, with the rest of the path.
func (n *Node) Own(namespace, rest string) string { return In(namespace, n.Key.Public().Key, rest) }

// In is a member's name in a namespace, with the rest of the path.
func In(namespace string, key trust.Key, rest string) string {
	return filepath.Join(namespace, base64.RawURLEncoding.EncodeToString(key[:]), rest)
}
