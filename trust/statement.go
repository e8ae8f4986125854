package trust

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"time"

	"aead.dev/minisign"
)

// A Statement is what a signer says about a content: the facts in the trusted comment.
type Statement struct {
	Name    Name
	Version Version       // greater than zero
	Network Key           // zero: for no network
	TTL     time.Duration // lifetime from Version on; zero: for ever
	Deleted bool          // a tombstone; the content is empty and there is no TTL
}

// Sign returns the text of a signature file over a content's digest. The same input gives the
// same text. It refuses, with a [*Refusal], statements that no policy would accept.
func (s *Signer) Sign(d Digest, st Statement) ([]byte, error) {
	if err := st.check(d); err != nil {
		return nil, err
	}
	public := s.Public()
	m := minisign.Signature{
		Algorithm:        minisign.HashEdDSA,
		KeyID:            public.ID,
		UntrustedComment: advice(st.Name, public),
		TrustedComment:   st.comment(),
	}
	copy(m.Signature[:], ed25519.Sign(s.private, d[:]))
	copy(m.CommentSignature[:], ed25519.Sign(s.private, globalMessage(&m)))
	return m.MarshalText()
}

// check refuses what Verify would refuse, before anybody has to find out.
func (st Statement) check(d Digest) error {
	switch {
	case st.Name.IsZero():
		return refuse(ErrName, "the name is empty")
	case st.Version <= 0:
		return refuse(ErrMalformed, "the version is not after 1970")
	case st.TTL < 0:
		return refuse(ErrMalformed, "the lifetime %v is negative", st.TTL)
	case st.Deleted && st.TTL != 0:
		return refuse(ErrMalformed, "a tombstone has no lifetime")
	case st.Deleted && d != nothing:
		return refuse(ErrMismatch, "a tombstone has no content")
	}
	return nil
}

// comment renders the trusted comment.
func (st Statement) comment() string {
	tokens := []string{"timestamp:" + st.Version.timestamp(), "file:" + st.Name.String()}
	if !st.Network.IsZero() {
		tokens = append(tokens, "network:"+base64.RawURLEncoding.EncodeToString(st.Network[:]))
	}
	if st.TTL > 0 {
		tokens = append(tokens, "ttl:"+st.TTL.String())
	}
	if st.Deleted {
		tokens = append(tokens, "deleted")
	}
	return strings.Join(append(tokens, "hashed"), "\t")
}

// advice is our untrusted comment: the command that checks the file with stock minisign, run in
// the top directory. Stock minisign reads at most 1,024 bytes of it; and a name that a shell would
// read as more than one plain word does not belong into a line that people paste.
func advice(n Name, p PublicKey) string {
	line := "minisign -Vm " + n.String() + " -x " + n.Signature() + " -P " + p.String()
	if len(line) > maxAdvice || strings.ContainsFunc(n.String(), unplain) {
		return "minisign public key " + p.String()
	}
	return line
}

// maxAdvice leaves room for the prefix and line end in stock minisign's buffer.
const maxAdvice = 960

// unplain reports whether a shell might read more than itself in r.
func unplain(r rune) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@,="
	return !strings.ContainsRune(plain, r)
}
