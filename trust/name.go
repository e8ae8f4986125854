package trust

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxName is the length of the longest name, in bytes.
	MaxName = 1024
	// maxPart is the length of the longest part of a name, in bytes. File systems allow 255,
	// of which the signature beside a file needs four.
	maxPart = 255 - len(".sig")
)

// A Name is a file's path in the network. Only [ParseName] makes one; names that are equal
// are the same text. The zero Name is no name and is refused everywhere.
type Name struct{ text string }

// ParseName checks the syntax that the package comment gives. It changes nothing:
// a name that would need cleaning is refused with [ErrName].
func ParseName(s string) (Name, error) {
	if s == "" {
		return Name{}, refuse(ErrName, "the name is empty")
	}
	if len(s) > MaxName {
		return Name{}, refuse(ErrName, "name %s is longer than %d bytes", shown(s), MaxName)
	}
	if !utf8.ValidString(s) {
		return Name{}, refuse(ErrName, "name %s is not UTF-8", shown(s))
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return Name{}, refuse(ErrName, "name %s contains a control character", shown(s))
	}
	for part := range strings.SplitSeq(s, "/") {
		if fault := partFault(part); fault != "" {
			return Name{}, refuse(ErrName, "name %s %s", shown(s), fault)
		}
	}
	return Name{s}, nil
}

// partFault says what is wrong with one part of a name; nothing when it is empty.
func partFault(part string) string {
	switch {
	case part == "":
		return "has an empty part"
	case part == "." || part == "..":
		return "has a part that is . or .."
	case len(part) > maxPart:
		return "has a part that is longer than 251 bytes"
	case strings.HasPrefix(part, ".dmfs"):
		return "has a part that begins with .dmfs, which is reserved"
	case strings.HasSuffix(part, ".sig"):
		return "has a part that ends in .sig, which is kept for signatures"
	}
	return ""
}

// String returns the whole name.
func (n Name) String() string { return n.text }

// IsZero reports whether n is no name at all.
func (n Name) IsZero() bool { return n.text == "" }

// Dir returns the name's directory without a final slash, or "" for a name at the top.
func (n Name) Dir() string {
	if dir := path.Dir(n.text); dir != "." {
		return dir
	}
	return ""
}

// Base returns the last part of the name.
func (n Name) Base() string { return n.text[strings.LastIndexByte(n.text, '/')+1:] }

// Signature returns the path of the signature beside the file.
func (n Name) Signature() string { return n.text + ".sig" }
