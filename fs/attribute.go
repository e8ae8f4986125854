package fs

import (
	"strings"
	"syscall"
	"time"

	"dmfs/index"
)

// Extended attributes of a file, all read-only, in the order in which they are listed.
const attributePrefix = "user.dmfs."

var attributes = []struct {
	name  string
	value func(index.Entry) string
}{
	{"signer", func(e index.Entry) string { return e.Record.Signer().String() }},
	{"signed_at", func(e index.Entry) string { return e.Record.Version().Time().UTC().Format(time.RFC3339Nano) }},
	{"digest", func(e index.Entry) string { return e.Record.Digest().String() }},
	{"expires", expires},
	{"state", func(index.Entry) string { return "valid" }},
}

const refusedAttribute = attributePrefix + "refused"

func expires(e index.Entry) string {
	at, ok := e.Record.Expires()
	if !ok {
		return "never"
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// getXAttr copies an attribute into dest, or says how long it is when dest is
// empty.
func (f *FS) getXAttr(node uint64, name string, dest []byte) (uint32, error) {
	if strings.HasPrefix(name, "system.posix_acl_") {
		return 0, syscall.EOPNOTSUPP
	}
	if name == refusedAttribute {
		return fit(f.lastRefusal(node), dest)
	}
	short, ok := strings.CutPrefix(name, attributePrefix)
	if e, found := f.entryOf(node); ok && found {
		for _, a := range attributes {
			if a.name == short {
				return fit(a.value(e), dest)
			}
		}
	}
	return 0, syscall.ENODATA
}

func (f *FS) listXAttr(node uint64, dest []byte) (uint32, error) {
	var names strings.Builder
	if _, ok := f.entryOf(node); ok {
		for _, a := range attributes {
			names.WriteString(attributePrefix + a.name + "\x00")
		}
	}
	if f.lastRefusal(node) != "" {
		names.WriteString(refusedAttribute + "\x00")
	}
	n, err := fit(names.String(), dest)
	if err == syscall.ENODATA {
		err = nil
	}
	return n, err
}

func fit(value string, dest []byte) (uint32, error) {
	switch {
	case value == "":
		return 0, syscall.ENODATA
	case len(dest) > 0 && len(dest) < len(value):
		return uint32(len(value)), syscall.ERANGE
	}
	copy(dest, value)
	return uint32(len(value)), nil
}

// entryOf returns the shown version whose content or signature a node is.
func (f *FS) entryOf(node uint64) (index.Entry, bool) {
	kind, number, ok := split(node)
	if !ok || kind != contentKind && kind != signatureKind {
		return index.Entry{}, false
	}
	v, ok := f.index.Stored(number)
	if !ok {
		return index.Entry{}, false
	}
	e, ok := f.tree.shown(v.Name)
	return e, ok && (e.Inode == number || e.Seq == number)
}

// lastRefusal returns the sentence of the last refusal of a file's name, or on the root of
// any name.
func (f *FS) lastRefusal(node uint64) string {
	e, isFile := f.entryOf(node)
	if !isFile && node != rootNode {
		return ""
	}
	all := f.index.Refusals()
	for i := len(all) - 1; i >= 0; i-- {
		if r := all[i]; !isFile || r.Name == e.Name.String() {
			return refusal(r)
		}
	}
	return ""
}

func refusal(r index.Refused) string {
	s := r.At.UTC().Format(time.RFC3339) + " " + r.Name + ": " + r.Reason
	if r.Hint != "" {
		s += "; hint: " + r.Hint
	}
	return s
}
