package main

import (
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// A loss is what an importation does not take over.
type loss struct {
	key   string
	value string // behind the key, as TOML spells it; empty for a table
	why   string // one line
	line  int
}

// lossReasons are by key or by table; the longer one counts.
var lossReasons = map[string]string{
	"state_dir":                       "dmfs has a state of its own; sign and publish the files below it anew",
	"cluster.interfaces":              "without a network dmfs listens on loopback only",
	"cluster.certificate_authorities": "dmfs takes certificates that the network's key has signed; make one: dmfs certificate sign --authority",
	"http":                            "there is no port to upload to; copy into the mount, or run dmfs file update",
	"host":                            "of Data Mesher v1; members publish in namespaces",
	"network":                         "of Data Mesher v1; there are files and namespaces",
}

// rest reports every key with a value that nobody took.
func (i *importation) rest() {
	if i.Network.ID == "" {
		i.losses = append(i.losses, loss{"network.id", "", "there is none, so anybody could read the files; dmfs listens on loopback only", 1})
	}
	for _, path := range i.old.md.Keys() {
		value, ok := i.old.spelling(path)
		if key := path.String(); ok && !i.taken[key] {
			i.losses = append(i.losses, loss{key, value, i.whyLost(key), i.old.line(path...)})
		}
	}
}

// whyLost is the reason for the longest part of a key that has one.
func (i *importation) whyLost(key string) string {
	if key == "cluster.identity_cert" {
		return i.whyCertificateLost()
	}
	for {
		if why := lossReasons[key]; why != "" {
			return why
		}
		dot := strings.LastIndexByte(key, '.')
		if dot < 0 {
			return "dmfs has nothing like it"
		}
		key = key[:dot]
	}
}

// whyCertificateLost says how to make the one that takes its place, for the same key.
func (i *importation) whyCertificateLost() string {
	name := ""
	if path, err := i.old.string("cluster", "identity_cert"); err == nil {
		name = meshCertificateName(i.old.file(path))
	}
	if name != "" {
		name = fmt.Sprintf(" for the name %q, which no other machine may have,", name)
	}
	return "dmfs has certificates of another form; make one" + name +
		" with: dmfs certificate sign --name MACHINE --network-key network.key --identity-key identity.pub --output identity.crt"
}

// meshCertificateName is the name in a certificate of Data Mesher, "" when it cannot
// be read. It has 176 bytes: the key, two times of 8, a name of 64 that ends with
// zeros, and the signature of all that.
func meshCertificateName(path string) string {
	text, err := readBounded(path, maxChainText)
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	if err != nil || len(text) != 32+8+8+64+64 {
		return ""
	}
	return strings.TrimRight(string(text[48:112]), "\x00")
}

// spelling is " = " and the value at path; nothing for a list of tables. It is not
// there for a table, whose keys come by themselves, nor for an empty list, which
// says nothing.
func (d *document) spelling(path toml.Key) (string, bool) {
	switch d.md.Type(path...) {
	case "Hash":
		return "", false
	case "ArrayHash":
		return "", true
	}
	value, ok := d.value(path...)
	var decoded any
	if !ok || d.md.PrimitiveDecode(value, &decoded) != nil {
		return "", false
	}
	if list, ok := decoded.([]any); ok && len(list) == 0 {
		return "", false
	}
	text, err := toml.Marshal(map[string]any{"": decoded})
	return strings.TrimPrefix(oneLine(string(text)), `""`), err == nil
}
