package trust

import (
	"bytes"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aead.dev/minisign"
)

const (
	// MaxSignature is the length of the longest text of a signature file, in bytes, with the
	// certificates that stand behind the signature in a namespace.
	MaxSignature = 16 << 10
	// maxMinisign is the length of the longest signature alone.
	maxMinisign = 4096
	// maxComment bounds the trusted comment so that, with our own untrusted comment in place of
	// any other, the text still fits maxMinisign.
	maxComment = 2048
)

// A signature is a parsed signature file: what it says, none of it proved.
type signature struct {
	raw   minisign.Signature
	chain Chain // behind it; zero: none
	facts
}

// facts are the tokens of the trusted comment.
type facts struct {
	version Version
	file    string
	network Key
	ttl     time.Duration
	deleted bool
}

// parseSignature reads the text of a signature file. It accepts exactly what it would write itself,
// but for the untrusted comment and the last line end.
func parseSignature(text []byte) (*signature, error) {
	text, rest := split(text)
	switch {
	case len(text)+len(rest) > MaxSignature:
		return nil, refuse(ErrTooLarge, "the signature is longer than %d bytes", MaxSignature)
	case len(text) > maxMinisign:
		return nil, refuse(ErrTooLarge, "the signature without its certificates is longer than %d bytes", maxMinisign)
	}
	s := new(signature)
	if err := s.parseMinisign(text); err != nil {
		return nil, err
	}
	if err := s.parseComment(s.raw.TrustedComment); err != nil {
		return nil, err
	}
	return s, s.parseCertificates(rest)
}

// split cuts a signature file behind its fourth line.
func split(text []byte) (signature, rest []byte) {
	end := 0
	for range 4 {
		i := bytes.IndexByte(text[end:], '\n')
		if i < 0 {
			return text, nil
		}
		end += i + 1
	}
	return text[:end], text[end:]
}

// parseMinisign reads the four lines.
func (s *signature) parseMinisign(text []byte) error {
	if err := s.raw.UnmarshalText(text); err != nil {
		return refuse(ErrMalformed, "this is not a signature file").
			hinting("sign with: dmfs file sign, or minisign -S")
	}
	if s.raw.Algorithm == minisign.EdDSA {
		return refuse(ErrMalformed, "the signature is of the old kind, which is not prehashed").
			hinting("sign again with minisign 0.10 or later, without -l")
	}
	if canonical := s.raw.String(); canonical != string(text) && canonical != string(text)+"\n" {
		return refuse(ErrMalformed, "the signature file is not in its canonical form")
	}
	if len(s.raw.TrustedComment) > maxComment {
		return refuse(ErrMalformed, "the trusted comment is longer than %d bytes", maxComment)
	}
	return nil
}

// parseCertificates reads what stands behind the four lines: nothing, or a chain as it would be
// written itself.
func (s *signature) parseCertificates(text []byte) (err error) {
	if len(text) == 0 {
		return nil
	}
	if s.chain, err = ParseChain(text); err != nil {
		return err
	}
	if canonical := s.chain.PEM(); !bytes.Equal(canonical, text) && !bytes.Equal(canonical, append(text[:len(text):len(text)], '\n')) {
		return refuse(ErrMalformed, "the certificates behind the signature are not in their canonical form").
			hinting("use dmfs file update --cert, or nothing but the PEM blocks")
	}
	return nil
}

// parseComment reads tab-separated tokens, each at most once; those that it does not know it ignores.
func (f *facts) parseComment(comment string) error {
	if !utf8.ValidString(comment) || strings.ContainsFunc(comment, hidden) {
		return refuse(ErrMalformed, "the trusted comment has control characters or is not UTF-8")
	}
	seen := make(map[string]bool)
	for token := range strings.SplitSeq(comment, "\t") {
		key, value, valued := strings.Cut(token, ":")
		if seen[key] {
			return refuse(ErrMalformed, "token %s is repeated in the trusted comment", shown(key))
		}
		seen[key] = true
		if !f.set(key, value, valued) {
			return refuse(ErrMalformed, "token %s of the trusted comment is malformed", shown(token))
		}
	}
	return f.check(seen)
}

// check refuses sets of tokens that make no sense together.
func (f *facts) check(seen map[string]bool) error {
	if !seen["timestamp"] {
		return refuse(ErrMalformed, "the trusted comment has no timestamp token").
			hinting("with minisign -t, write timestamp:SECONDS and file:NAME separated by a tab")
	}
	if f.deleted && f.ttl != 0 {
		return refuse(ErrMalformed, "a tombstone has no lifetime")
	}
	return nil
}

// set takes one token and reports whether it is well formed.
func (f *facts) set(key, value string, valued bool) (ok bool) {
	switch key {
	case "":
		return false
	case "timestamp":
		f.version, ok = parseTimestamp(value)
		return ok
	case "file":
		f.file = value
		return value != ""
	case "network":
		f.network, ok = parseKeyPart(value)
		return ok
	case "ttl":
		f.ttl, ok = parseTTL(value)
		return ok
	case "deleted":
		f.deleted = true
		return !valued
	case "hashed":
		return !valued
	}
	return true
}

// hidden reports whether r has no place in a trusted comment.
func hidden(r rune) bool { return r != '\t' && unicode.IsControl(r) }

// globalMessage is what the comment signature covers.
func globalMessage(m *minisign.Signature) []byte {
	return append(m.Signature[:len(m.Signature):len(m.Signature)], m.TrustedComment...)
}

// text renders the signature file with our untrusted comment, the only part that nobody signs, and
// the way that proved the member behind it.
func (s *signature) text(n Name, signer Key, way Chain) []byte {
	m := s.raw
	m.UntrustedComment = advice(n, PublicKey{Key: signer, ID: m.KeyID})
	return append([]byte(m.String()), way.PEM()...)
}
