package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"strings"
	"time"
)

// maxMemberName is the length of the longest common name, in bytes (RFC 5280).
const maxMemberName = 64

// A CertificateSpec is what a certificate shall say.
type CertificateSpec struct {
	Name                string    // of the member: one part of a name, at most 64 bytes
	Key                 Key       // the member's, its identity key
	NotBefore, NotAfter time.Time // whole seconds; the first moment, and the first at which it is over
	Authority           bool      // may issue certificates, and is no member's
}

// Certify issues a certificate, signed by s: the network's key when the issuer is zero, else the
// key of that chain's leaf, an authority's. It returns the new certificate followed by the issuer's
// chain. It refuses, with a [*Refusal], what no policy would accept.
func (s *Signer) Certify(spec CertificateSpec, issuer Chain) (Chain, error) {
	if err := spec.check(); err != nil {
		return Chain{}, err
	}
	parent, err := s.parent(spec, issuer)
	if err != nil {
		return Chain{}, err
	}
	template, err := spec.template(maxChain - 2 - len(issuer.certificates))
	if err != nil {
		return Chain{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, ed25519.PublicKey(spec.Key[:]), s.private)
	if err != nil {
		return Chain{}, err
	}
	return ParseChainDER(append(der, issuer.DER()...))
}

// check refuses what VerifyMember would refuse, before anybody has to find out.
func (spec CertificateSpec) check() error {
	if err := checkMemberName(spec.Name); err != nil {
		return err
	}
	if fault := pointFault(spec.Key); fault != "" {
		return refuse(ErrMalformed, "key %s %s", spec.Key, fault)
	}
	if !spec.NotBefore.Truncate(time.Second).Before(spec.NotAfter.Truncate(time.Second)) {
		return refuse(ErrMalformed, "the certificate would end before it begins")
	}
	return nil
}

// checkMemberName wants one part of a name, so that a name can be made of it.
func checkMemberName(name string) error {
	if len(name) > maxMemberName {
		return refuse(ErrName, "member name %s is longer than %d bytes", shown(name), maxMemberName)
	}
	if n, err := ParseName(name); err != nil || n.Dir() != "" {
		return refuse(ErrName, "member name %s is not one part of a name", shown(name))
	}
	return nil
}

// parent is the certificate that the new one names as its issuer. The network's key has none, and
// is called by its id.
func (s *Signer) parent(spec CertificateSpec, issuer Chain) (*x509.Certificate, error) {
	if issuer.IsZero() {
		id := s.Public().Key
		return &x509.Certificate{Subject: pkix.Name{CommonName: base64.RawURLEncoding.EncodeToString(id[:])}}, nil
	}
	ca, above := issuer.certificates[0], len(issuer.certificates)
	switch {
	case issuer.Key() != s.Public().Key:
		return nil, refuse(ErrMismatch, "the issuer's certificate is for another key than the one that signs")
	case !authority(ca):
		return nil, refuse(ErrNotAllowed, "%s is no authority", subject(ca)).hinting("let the network key issue it a certificate for an authority")
	case above >= maxChain || spec.Authority && (above >= maxChain-1 || lengthLimit(ca) == 0):
		return nil, refuse(ErrTooLarge, "the chain would be longer than %d certificates", maxChain)
	case spec.NotAfter.After(ca.NotAfter):
		return nil, refuse(ErrMalformed, "the certificate would outlive its issuer's, which ends at %s", ca.NotAfter.Format(time.RFC3339))
	}
	return ca, nil
}

// template renders the certificate; below is how many authorities may stand under this one.
func (spec CertificateSpec) template(below int) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always of 16 bytes
	t := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial),
		Subject:               pkix.Name{CommonName: spec.Name},
		NotBefore:             spec.NotBefore.UTC().Truncate(time.Second),
		NotAfter:              spec.NotAfter.UTC().Truncate(time.Second),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	if spec.Authority {
		t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign
		t.MaxPathLen, t.MaxPathLenZero = below, below == 0
	}
	return t, nil
}

// parseSerial reads a serial number in hexadecimal, as openssl and others show it, and returns it
// as [Member] does.
func parseSerial(s string) (string, bool) {
	digits := strings.ReplaceAll(s, ":", "")
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok || strings.ContainsAny(digits, "+-_") || n.Sign() <= 0 || len(n.Bytes()) > maxSerial {
		return "", false
	}
	return serialText(n), true
}
