package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/crypto/blake2b"
)

// maxKeyText bounds what is read from a file of a key, in bytes.
const maxKeyText = 16 << 10

const (
	minisignComment = "untrusted comment: "
	minisignKeyType = "Ed" // also the first two bytes of a key; shows as RW in base64
	sshKeyType      = "ssh-ed25519"
	sshPrefix       = "\x00\x00\x00\x0b" + sshKeyType + "\x00\x00\x00\x20" // then the 32 bytes
)

// strict refuses base64 with line breaks or loose bits: one value has one text.
var strict = base64.StdEncoding.Strict()

// A Key is an ED25519 public key: who signed. The zero Key is none.
type Key [ed25519.PublicKeySize]byte

// String returns the padded base64 form that a configuration's [files] takes.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// IsZero reports whether k is no key at all.
func (k Key) IsZero() bool { return k == Key{} }

// MarshalPEM returns the key as PEM (SPKI), as openssl reads it.
func (k Key) MarshalPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(k[:]))
	if err != nil {
		panic(err) // an ED25519 key always encodes
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// verifies reports whether the key made the signature of the message.
func (k Key) verifies(message, signature []byte) bool {
	return ed25519.Verify(k[:], message, signature)
}

// A PublicKey is a Key and the id by which minisign refers to it. The id is a hint:
// it is not signed, two keys may share it, and no verdict depends on it alone.
type PublicKey struct {
	Key Key
	ID  uint64
}

// String returns the minisign form, RW…, which holds the key and its id.
func (p PublicKey) String() string {
	b := binary.LittleEndian.AppendUint64([]byte(minisignKeyType), p.ID)
	return base64.StdEncoding.EncodeToString(append(b, p.Key[:]...))
}

// publicKey checks 32 bytes from outside and derives the id that they come without.
func publicKey(raw []byte) (PublicKey, error) {
	var k Key
	if copy(k[:], raw) != len(k) || len(raw) != len(k) {
		return PublicKey{}, refuse(ErrMalformed, "a key has %d bytes, not %d", len(k), len(raw))
	}
	if fault := pointFault(k); fault != "" {
		return PublicKey{}, refuse(ErrMalformed, "key %s %s", k, fault).hinting("copy the public key again, whole")
	}
	return PublicKey{Key: k, ID: keyID(k)}, nil
}

// keyID derives the id of a key that comes without one.
func keyID(k Key) uint64 {
	id := blake2b.Sum256(k[:])
	return binary.LittleEndian.Uint64(id[:])
}

// ParseKey reads a public key in any of the forms of the package comment. White space around
// it is ignored. Errors wrap [ErrMalformed], or [ErrTooLarge] beyond 16 KiB.
func ParseKey(text string) (PublicKey, error) {
	if len(text) > maxKeyText {
		return PublicKey{}, refuse(ErrTooLarge, "a key's text is at most %d bytes", maxKeyText)
	}
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "-----BEGIN "):
		return parsePEMKey(text)
	case strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-"), strings.HasPrefix(text, "sk-"):
		return parseSSHKey(text)
	}
	return parseBase64Key(text)
}

// parseBase64Key reads the raw form and, told apart by its length, minisign's.
func parseBase64Key(text string) (PublicKey, error) {
	if comment, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(comment, minisignComment) {
		text = rest
	}
	b, err := strict.DecodeString(text)
	switch {
	case err != nil || strings.ContainsAny(text, "\r\n"):
		return PublicKey{}, refuse(ErrMalformed, "%s is not a public key", shown(text)).
			hinting("give an ed25519 key as 32 bytes in base64, or as minisign, ssh-keygen or openssl write it")
	case len(b) == len(Key{}):
		return publicKey(b)
	case len(b) == 2+8+len(Key{}) && string(b[:2]) == minisignKeyType:
		p, err := publicKey(b[10:])
		if err == nil {
			p.ID = binary.LittleEndian.Uint64(b[2:])
		}
		return p, err
	}
	return PublicKey{}, refuse(ErrMalformed, "%s is not a public key: wrong length (%d bytes) or kind", shown(text), len(b)).
		hinting("a raw key is 44 characters of base64, a minisign key 56 that begin with RW")
}

// parsePEMKey reads SPKI. It wants the very text that encoders write, so that nothing hides in it.
func parsePEMKey(text string) (PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return PublicKey{}, refuse(ErrMalformed, "the PEM text is damaged")
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return PublicKey{}, refuse(ErrMalformed, "this is a private key").
			hinting("give the public key: openssl pkey -in FILE -pubout, or ssh-keygen -y -f FILE")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n") + "\n"
	if block.Type != "PUBLIC KEY" || len(block.Headers) > 0 || string(pem.EncodeToMemory(block)) != text {
		return PublicKey{}, refuse(ErrMalformed, "this is not exactly one PEM block of type PUBLIC KEY")
	}
	return wantEd25519(x509.ParsePKIXPublicKey(block.Bytes))
}

// parseSSHKey reads one line of an OpenSSH public key; its comment is ignored.
func parseSSHKey(text string) (PublicKey, error) {
	fields := strings.SplitN(text, " ", 3)
	if fields[0] != sshKeyType {
		return PublicKey{}, refuse(ErrMalformed, "OpenSSH key type %s is not %s", shown(fields[0]), sshKeyType).
			hinting("make one with: ssh-keygen -t ed25519")
	}
	if len(fields) < 2 || strings.ContainsAny(text, "\r\n") {
		return PublicKey{}, refuse(ErrMalformed, "an OpenSSH key is one line: %s AAAA… comment", sshKeyType)
	}
	blob, err := strict.DecodeString(fields[1])
	if err != nil {
		return PublicKey{}, refuse(ErrMalformed, "the OpenSSH key is damaged: %v", err)
	}
	key, ok := bytes.CutPrefix(blob, []byte(sshPrefix))
	if !ok {
		return PublicKey{}, refuse(ErrMalformed, "the OpenSSH key is damaged: it does not begin with its type")
	}
	return publicKey(key)
}

// wantEd25519 takes what a parser of public keys of all kinds returned.
func wantEd25519(parsed any, err error) (PublicKey, error) {
	if err != nil {
		return PublicKey{}, refuse(ErrMalformed, "the public key is damaged: %v", err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return PublicKey{}, refuse(ErrMalformed, "the public key is not an ed25519 key").
			hinting("make one with: dmfs generate signing-key")
	}
	return publicKey(key)
}

// ReadKey reads what [ParseKey] reads, or, when the text is none of that, the file of at most
// 16 KiB that it names.
func ReadKey(textOrPath string) (PublicKey, error) {
	key, fault := ParseKey(textOrPath)
	if fault == nil {
		return key, nil
	}
	text, err := readBounded(textOrPath)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENAMETOOLONG):
		return PublicKey{}, fault
	case err != nil:
		return PublicKey{}, refuse(ErrMalformed, "cannot read a public key: %v", err)
	}
	key, fault = ParseKey(string(text))
	return key, regarding(shown(textOrPath), fault)
}

// readBounded reads a file of a key, refusing to read more than one can be.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyText+1))
	if err == nil && len(text) > maxKeyText {
		err = refuse(ErrTooLarge, "%s is longer than a key can be (%d bytes)", shown(path), maxKeyText)
	}
	return text, err
}
