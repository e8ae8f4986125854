package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/test/harness"
	"dmfs/trust"
)

// tool makes a key pair NAME.key and NAME.pub, as its users do.
type tool struct {
	name, program, generate string
}

var tools = []tool{
	{"minisign", "minisign", "minisign -G -W -s minisign.key -p minisign.pub"},
	{"openssl", "openssl", "openssl genpkey -algorithm ed25519 -out openssl.key && openssl pkey -in openssl.key -pubout -out openssl.pub"},
	{"openssh", "ssh-keygen", "ssh-keygen -q -t ed25519 -N '' -C ann@example -f openssh && mv openssh openssh.key"},
	{"encrypted", "ssh-keygen", "ssh-keygen -q -t ed25519 -N mesh -f encrypted && mv encrypted encrypted.key && echo mesh > passphrase"},
	{"dmfs", "true", "dmfs generate signing-key --private-key-path dmfs.key --public-key-path dmfs.pub > dmfs.raw"},
}

// keys runs every tool in dir and returns what [files] may say for each key:
// the public key in every form that the tool gives, and the path of its file.
func keys(t *testing.T, dir *harness.Mesh) map[string]string {
	t.Helper()
	forms := map[string]string{}
	for _, tool := range tools {
		harness.Need(t, tool.program)
		dir.Must(tool.generate)
		public := string(dir.Read(tool.name + ".pub"))
		forms[tool.name+"/text"] = public
		forms[tool.name+"/path"] = filepath.Join(dir.Dir, tool.name+".pub")
		parsed, err := trust.ParseKey(public)
		if err != nil {
			t.Fatalf("%s: %v", tool.name, err)
		}
		forms[tool.name+"/raw"] = parsed.Key.String()
		if lines := strings.Split(strings.TrimSpace(public), "\n"); tool.name == "minisign" {
			forms["minisign/line"] = lines[len(lines)-1]
		}
	}
	if raw := strings.TrimSpace(string(dir.Read("dmfs.raw"))); raw != forms["dmfs/raw"] {
		t.Errorf("generate printed %s for the key %s", raw, forms["dmfs/raw"])
	}
	return forms
}

// TestKeysOfOtherToolsSignAndVerify signs one file per tool and form of its
// public key in [files]; stock minisign verifies each at the other node.
func TestKeysOfOtherToolsSignAndVerify(t *testing.T) {
	workshop := harness.New(t, harness.Options{Nodes: 1})
	forms := keys(t, workshop)
	files := map[string][]string{}
	for form, key := range forms {
		files[form] = []string{key}
	}
	m := harness.Start(t, harness.Options{Nodes: 2, Files: files})
	for form := range forms {
		t.Run(form, func(t *testing.T) {
			m.During(t)
			content := []byte("signed for " + form + "\n")
			m.Write("file", content)
			secret := filepath.Join(workshop.Dir, filepath.Dir(form)+".key")
			passphrase := ""
			if strings.HasPrefix(form, "encrypted/") {
				passphrase = "--passphrase-file " + filepath.Join(workshop.Dir, "passphrase")
			}
			m.Must(fmt.Sprintf("dmfs file sign file --key %s --name %s %s", secret, form, passphrase))
			m.Must(fmt.Sprintf("cp file $A/%s && cp file.sig $A/%[1]s.sig", form))
			harness.Eventually(t, patience, harness.Shows(form, content, m.Nodes...))
			public, err := trust.ReadKey(filepath.Join(workshop.Dir, filepath.Dir(form)+".pub"))
			if err != nil {
				t.Fatal(err)
			}
			out := m.Must(fmt.Sprintf("cp $B/%s copied && cp $B/%[1]s.sig copied.minisig && minisign -Vm copied -P %s", form, public))
			if !strings.Contains(out, "Signature and comment signature verified") {
				t.Errorf("minisign -V says: %s", out)
			}
			m.Must(fmt.Sprintf("! { echo >> copied && minisign -Vm copied -P %s; }", public))
		})
	}
}

// TestStockMinisignSignature copies what `minisign -S` makes with its default
// comments to a node without network id.
func TestStockMinisignSignature(t *testing.T) {
	harness.Need(t, "minisign")
	workshop := harness.New(t, harness.Options{Nodes: 1})
	workshop.Must("minisign -G -W -s minisign.key -p minisign.pub")
	m := harness.Start(t, harness.Options{Nodes: 2, Files: map[string][]string{
		"config.json": {string(workshop.Read("minisign.pub"))},
	}})
	m.Write("config.json", []byte("by minisign\n"))
	m.Must("minisign -S -s " + filepath.Join(workshop.Dir, "minisign.key") + " -m config.json -x config.json.sig")
	m.Must("cp config.json config.json.sig $A/")
	harness.Eventually(t, patience, harness.Shows("config.json", []byte("by minisign\n"), m.Nodes...))
	out := m.Must("minisign -Vm $B/config.json -x $B/config.json.sig -p " + filepath.Join(workshop.Dir, "minisign.pub"))
	if !strings.Contains(out, "file:config.json") {
		t.Errorf("the trusted comment is gone: %s", out)
	}
}
