package fs_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// publish has a member publish a content, as it comes from another node.
func publish(t *testing.T, n *fstest.Node, network, member *trust.Signer, path string, content []byte, version int64) {
	t.Helper()
	name := "telemetry/" + keyPart(member) + path
	claim := trust.NewClaim(trusttest.Name(t, name), memberSignature(t, member, network.Public().Key, name, content, version), content)
	chain, _ := n.Index.Certificate(member.Public().Key)
	r, err := n.Index.Policy().Verify(claim.WithCertificate(chain), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	n.Apply(r)
}

// TestMembersByName: links lead from the names of members to what they publish,
// and nobody can make or remove one.
func TestMembersByName(t *testing.T) {
	n, network := mountNamespace(t)
	certify := func(i int, name string) (*trust.Signer, string) {
		member := trusttest.Signer(i)
		if err := n.Index.Learn(trusttest.Certify(t, network, trust.Chain{}, member.Public().Key, name)); err != nil {
			t.Fatal(err)
		}
		return member, keyPart(member)
	}
	ann, annKey := certify(101, "ann")
	bob, bobKey := certify(102, "bob")
	certify(103, "carol") // publishes nothing
	publish(t, n, network, ann, "", []byte("of a member\n"), 1)
	publish(t, n, network, bob, "/disk/free", []byte("42\n"), 1)
	n.Must("cd $M/telemetry && until test -e " + annKey + " -a -e " + bobKey + "/disk/free; do :; done")
	out := n.Must(`cd $M/telemetry/by-name && ls -A && readlink ann bob && cat ann bob/disk/free && stat -c '%A %s %F' ann && stat -L -c %F bob ann
ls -lU | awk 'NR > 1 { print $9, $10, $11 }' | sort; find . -type l | sort; test $(stat -Lc %i ann) = $(stat -c %i ../` + annKey + `); test ! -e carol; test ! -L carol`)
	if want := "ann\nbob\n../" + annKey + "\n../" + bobKey + "\nof a member\n42\nlrwxrwxrwx 46 symbolic link\ndirectory\nregular file\nann -> ../" + annKey + "\nbob -> ../" + bobKey + "\n./ann\n./bob\n"; out != want {
		t.Errorf("got %s, want %s", out, want)
	}
	for _, c := range []struct{ line, want string }{
		{"echo x >dave", "Permission denied"},
		{"echo x >dave.sig", "Permission denied"},
		{"mkdir dave", "Operation not permitted"},
		{"ln -s ../x dave", "Operation not permitted"},
		{"rm ann", "Operation not permitted"},
		{"mv ann dave", "Permission denied"},
		{"rmdir ../by-name", "Operation not permitted"},
	} {
		if out, ok := n.Shell("cd $M/telemetry/by-name && " + c.line); ok || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v %s", c.line, ok, out)
		}
	}
}

// TestNameOfTwoMembers is that of who was certified last, and of the other one
// when that one is no member any more.
func TestNameOfTwoMembers(t *testing.T) {
	n, network := mountNamespace(t)
	older, newer := trusttest.Signer(101), trusttest.Signer(102)
	for issued, m := range map[time.Duration]*trust.Signer{-2 * time.Hour: older, -time.Hour: newer} {
		chain, err := network.Certify(trust.CertificateSpec{
			Name: "ann", Key: m.Public().Key, NotBefore: time.Now().Add(issued), NotAfter: time.Now().Add(time.Hour),
		}, trust.Chain{})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Index.Learn(chain); err != nil {
			t.Fatal(err)
		}
	}
	link := func(want string) {
		t.Helper()
		if got := n.Must("cd $M/telemetry/by-name; readlink ann || true"); got != want {
			t.Errorf("ann is %q, want %q", got, want)
		}
	}
	publish(t, n, network, older, "", []byte("older\n"), 1)
	n.Must("until test -e $M/telemetry/" + keyPart(older) + "; do :; done")
	link("")
	publish(t, n, network, newer, "", []byte("newer\n"), 1)
	n.Must("until test -e $M/telemetry/by-name/ann; do :; done")
	link("../" + keyPart(newer) + "\n")
	p, err := trust.NewPolicy(trust.Rules{
		Network: network.Public().Key, Namespaces: []string{"telemetry"}, RevokedKeys: []trust.Key{newer.Public().Key},
	})
	if err != nil {
		t.Fatal(err)
	}
	putInForce(t, n, p)
	link("../" + keyPart(older) + "\n")
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
