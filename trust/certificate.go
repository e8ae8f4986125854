package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"slices"
	"strings"
)

const (
	// maxChain is the number of certificates in the longest chain, the leaf included.
	maxChain = 3
	// maxCertificate bounds one certificate, in bytes of DER, so that the longest chain as PEM
	// fits behind the longest signature.
	maxCertificate = 2800
	// maxSerial is the length of the longest serial number, in bytes (RFC 5280).
	maxSerial = 20
)

// A Chain is a certificate, the leaf, and perhaps those of the authorities above it, in order.
// It is parsed, but proves nothing until [Policy.VerifyMember] accepts it. The zero Chain is none.
// A Chain is immutable.
type Chain struct{ certificates []*x509.Certificate }

// ParseChain reads one to three certificates in PEM, the leaf first. Text around them is ignored,
// as openssl writes it there. Errors wrap [ErrMalformed], or [ErrTooLarge] beyond 16 KiB of text
// or 2,800 bytes of one certificate.
func ParseChain(text []byte) (Chain, error) {
	if len(text) > MaxSignature {
		return Chain{}, refuse(ErrTooLarge, "a certificate chain's text is at most %d bytes", MaxSignature)
	}
	blocks := bytes.Count(text, []byte("-----BEGIN "))
	if blocks == 0 || blocks > maxChain {
		return Chain{}, refuse(ErrMalformed, "this is not a chain of 1 to %d certificates in PEM", maxChain)
	}
	var der []byte
	for range blocks {
		block, rest := pem.Decode(text)
		if err := checkBlock(block); err != nil {
			return Chain{}, err
		}
		der, text = append(der, block.Bytes...), rest
	}
	return ParseChainDER(der)
}

// checkBlock wants a certificate, and says so to somebody who mixed up the files.
func checkBlock(block *pem.Block) error {
	switch {
	case block == nil:
		return refuse(ErrMalformed, "the PEM text of a certificate is damaged")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return refuse(ErrMalformed, "this is a private key, not a certificate").hinting("give the certificate, and keep the key to yourself")
	case block.Type != "CERTIFICATE" || len(block.Headers) > 0:
		return refuse(ErrMalformed, "a PEM block of type %s is not a plain certificate", shown(block.Type))
	}
	return nil
}

// ParseChainDER reads the same from one to three certificates in DER, one behind the other.
func ParseChainDER(der []byte) (Chain, error) {
	if len(der) > maxChain*maxCertificate {
		return Chain{}, refuse(ErrTooLarge, "a certificate chain is at most %d bytes", maxChain*maxCertificate)
	}
	certificates, err := x509.ParseCertificates(der)
	if err != nil || len(certificates) == 0 {
		return Chain{}, refuse(ErrMalformed, "the certificate is damaged")
	}
	if len(certificates) > maxChain {
		return Chain{}, refuse(ErrMalformed, "%d certificates are more than %d", len(certificates), maxChain)
	}
	for _, c := range certificates {
		if err := checkCertificate(c); err != nil {
			return Chain{}, err
		}
	}
	return Chain{certificates}, nil
}

// checkCertificate wants ED25519 throughout, and nothing that we would have to understand but do not.
func checkCertificate(c *x509.Certificate) error {
	key, ok := c.PublicKey.(ed25519.PublicKey)
	switch {
	case len(c.Raw) > maxCertificate:
		return refuse(ErrTooLarge, "a certificate is at most %d bytes", maxCertificate)
	case !ok || c.SignatureAlgorithm != x509.PureEd25519:
		return refuse(ErrMalformed, "the certificate is not for and by ed25519 keys")
	case c.SerialNumber.Sign() <= 0 || len(c.SerialNumber.Bytes()) > maxSerial:
		return refuse(ErrMalformed, "the certificate's serial number is not positive, of at most %d bytes", maxSerial)
	}
	for _, e := range c.Extensions {
		if e.Critical && !slices.ContainsFunc(understood, e.Id.Equal) {
			return refuse(ErrMalformed, "the certificate has the critical extension %v, which has no meaning here", e.Id)
		}
	}
	_, err := publicKey(key)
	return err
}

// understood are the extensions that may be critical: key usage, basic constraints, and extended
// key usage, which speaks of other protocols than ours.
var understood = []asn1.ObjectIdentifier{{2, 5, 29, 15}, {2, 5, 29, 19}, {2, 5, 29, 37}}

// IsZero reports whether c is no chain at all.
func (c Chain) IsZero() bool { return len(c.certificates) == 0 }

// Key returns the public key of the leaf: the member's. The zero Chain has the zero Key.
func (c Chain) Key() Key {
	if c.IsZero() {
		return Key{}
	}
	return keyOf(c.certificates[0])
}

// DER returns the certificates one behind the other.
func (c Chain) DER() (der []byte) {
	for _, certificate := range c.certificates {
		der = append(der, certificate.Raw...)
	}
	return der
}

// PEM returns the certificates as text without anything between them: the form that stands behind
// a signature.
func (c Chain) PEM() (text []byte) {
	for _, certificate := range c.certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	return text
}

// keyOf returns the key of a certificate that checkCertificate accepted.
func keyOf(c *x509.Certificate) Key { return Key(c.PublicKey.(ed25519.PublicKey)) }
