package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"

	"aead.dev/minisign"
	"golang.org/x/crypto/ssh"
)

// A Signer is a private key and its minisign id. It is immutable; nothing prints its secret.
type Signer struct {
	private ed25519.PrivateKey
	id      uint64
}

// GenerateSigner makes a new key from the system's randomness.
func GenerateSigner() (*Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newSigner(private)
}

// newSigner derives the public half and the id from the private key's seed. A stored public half
// that differs would make signatures that leak the private key.
func newSigner(private ed25519.PrivateKey) (*Signer, error) {
	if len(private) != ed25519.PrivateKeySize || !bytes.Equal(ed25519.NewKeyFromSeed(private.Seed()), private) {
		return nil, refuse(ErrMalformed, "the private key is damaged: its halves do not belong together")
	}
	public, err := publicKey(private[ed25519.SeedSize:])
	if err != nil {
		return nil, err
	}
	return &Signer{private: private, id: public.ID}, nil
}

// ReadSigner reads what [ParseSigner] reads from a file of at most 16 KiB.
func ReadSigner(path string, passphrase func() ([]byte, error)) (*Signer, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	return ParseSigner(text, passphrase)
}

// ParseSigner reads a private key: minisign (encrypted or not), PEM PKCS#8, or OpenSSH (encrypted
// or not). It asks for the passphrase, at most once, only when the key needs one; a nil passphrase
// refuses such keys. Refusals wrap [ErrMalformed], or [ErrMismatch] for a wrong passphrase; an
// error of passphrase is returned as it is.
func ParseSigner(text []byte, passphrase func() ([]byte, error)) (*Signer, error) {
	if len(text) > maxKeyText {
		return nil, refuse(ErrTooLarge, "a key's text is at most %d bytes", maxKeyText)
	}
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return parseMinisignSigner(text, passphrase)
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, refuse(ErrMalformed, "the PEM text is damaged")
	case block.Type == "OPENSSH PRIVATE KEY":
		return parseSSHSigner(text, passphrase)
	case block.Type == "PRIVATE KEY":
		return wantEd25519Signer(x509.ParsePKCS8PrivateKey(block.Bytes))
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, refuse(ErrMalformed, "encrypted PEM keys are not supported").
			hinting("use a minisign or OpenSSH key with a passphrase, or decrypt it: openssl pkey -in FILE -out PLAIN")
	}
	return nil, refuse(ErrMalformed, "a PEM block of type %s is not an ed25519 private key", shown(block.Type)).
		hinting("make one with: dmfs generate signing-key")
}

// parseMinisignSigner reads minisign's form and keeps its id, which others know the key by.
func parseMinisignSigner(text []byte, passphrase func() ([]byte, error)) (*Signer, error) {
	var private minisign.PrivateKey
	var err error
	if minisign.IsEncrypted(text) {
		var secret []byte
		if secret, err = ask(passphrase); err != nil {
			return nil, err
		}
		if private, err = minisign.DecryptKey(string(secret), text); err != nil {
			return nil, refuse(ErrMismatch, "wrong passphrase, or the private key is damaged")
		}
	} else if err = private.UnmarshalText(text); err != nil {
		return nil, refuse(ErrMalformed, "this is not a private key of a known form").
			hinting("give a minisign, PEM or OpenSSH private key; make one with: dmfs generate signing-key")
	}
	return fromMinisign(private)
}

// fromMinisign takes the bytes out of a key that shows them only as text: type, derivation,
// checksum kind, salt and limits (54 bytes), id (8), private key (64), checksum (32).
func fromMinisign(key minisign.PrivateKey) (*Signer, error) {
	text, err := key.MarshalText()
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(string(text[bytes.IndexByte(text, '\n')+1:]))
	if err != nil {
		return nil, err
	}
	s, err := newSigner(ed25519.PrivateKey(b[62:126]))
	if err != nil {
		return nil, err
	}
	s.id = binary.LittleEndian.Uint64(b[54:])
	return s, nil
}

// parseSSHSigner reads OpenSSH's form.
func parseSSHSigner(text []byte, passphrase func() ([]byte, error)) (*Signer, error) {
	parsed, err := ssh.ParseRawPrivateKey(text)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		var secret []byte
		if secret, err = ask(passphrase); err != nil {
			return nil, err
		}
		parsed, err = ssh.ParseRawPrivateKeyWithPassphrase(text, secret)
	}
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, refuse(ErrMismatch, "wrong passphrase")
	}
	if key, ok := parsed.(*ed25519.PrivateKey); ok && err == nil {
		return newSigner(*key)
	}
	return wantEd25519Signer(parsed, err)
}

// ask calls passphrase where there is one.
func ask(passphrase func() ([]byte, error)) ([]byte, error) {
	if passphrase == nil {
		return nil, refuse(ErrMismatch, "the private key needs a passphrase").hinting("run this in a terminal, or use a key without one")
	}
	return passphrase()
}

// wantEd25519Signer takes what a parser of private keys of all kinds returned.
func wantEd25519Signer(parsed any, err error) (*Signer, error) {
	if err != nil {
		return nil, refuse(ErrMalformed, "the private key is damaged: %v", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, refuse(ErrMalformed, "the private key is not an ed25519 key").
			hinting("make one with: dmfs generate signing-key")
	}
	return newSigner(key)
}

// Public returns the public half.
func (s *Signer) Public() PublicKey {
	return PublicKey{Key: Key(s.private[ed25519.SeedSize:]), ID: s.id}
}

// Ed25519 returns the private key itself; the caller must not change it.
func (s *Signer) Ed25519() ed25519.PrivateKey { return s.private }

// MarshalPEM returns the private key as PEM (PKCS#8), as openssl reads it.
func (s *Signer) MarshalPEM() []byte {
	der, err := x509.MarshalPKCS8PrivateKey(s.private)
	if err != nil {
		panic(err) // an ED25519 key always encodes
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// String keeps the secret out of logs.
func (s *Signer) String() string { return "signer " + s.Public().Key.String() }
