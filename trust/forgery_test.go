package trust_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"aead.dev/minisign"

	"dmfs/trust"
)

func strict64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// forge signs any comment, as only a hostile or mistaken signer would.
func forge(t testing.TB, s *trust.Signer, comment string, content []byte) []byte {
	t.Helper()
	d := trust.DigestOf(content)
	m := minisign.Signature{Algorithm: minisign.HashEdDSA, KeyID: s.Public().ID, TrustedComment: comment, UntrustedComment: "x"}
	copy(m.Signature[:], ed25519.Sign(s.Ed25519(), d[:]))
	copy(m.CommentSignature[:], ed25519.Sign(s.Ed25519(), append(bytes.Clone(m.Signature[:]), comment...)))
	text, err := m.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tombstone is the comment of a tombstone, for a signer that does not keep the rules.
func tombstone(network trust.Key) string {
	return "timestamp:1\tfile:a\tdeleted\tnetwork:" + strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(network.String()), "=")
}

// line returns the bytes of the base64 on a line of a signature.
func line(sig []byte, i int) []byte {
	raw := make([]byte, 74)
	n, err := base64.StdEncoding.Decode(raw, bytes.Split(sig, []byte("\n"))[i])
	if err != nil {
		panic(err)
	}
	return raw[:n]
}

// withLine returns the signature with another line.
func withLine(sig []byte, i int, raw []byte) []byte {
	lines := bytes.Split(sig, []byte("\n"))
	lines[i] = []byte(strict64(raw))
	return bytes.Join(lines, []byte("\n"))
}

// withID returns the signature with another key id.
func withID(sig []byte, id uint64) []byte {
	raw := line(sig, 1)
	binary.LittleEndian.PutUint64(raw[2:], id)
	return withLine(sig, 1, raw)
}

// flip returns the signature with one bit changed in the last byte of a base64 line.
func flip(sig []byte, i int) []byte {
	raw := line(sig, i)
	raw[20] ^= 1
	return withLine(sig, i, raw)
}

// splice returns the comment of one signature behind the content's half of another.
func splice(comment, content []byte) []byte { return withLine(comment, 1, line(content, 1)) }

func newPolicy(t testing.TB, r trust.Rules) *trust.Policy {
	t.Helper()
	p, err := trust.NewPolicy(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
