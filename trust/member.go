package trust

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"time"
)

// A Member is what a verified chain says of the holder of its leaf's key.
type Member struct {
	Key       Key
	Name      string    // one part of a name, at most 64 bytes; not unique
	Serial    string    // of the leaf: lower-case hexadecimal, two digits a byte
	Issued    time.Time // where the leaf's validity begins: of two certificates, the newer one has the later
	NotBefore time.Time // the first moment at which the whole chain is valid
	NotAfter  time.Time // the first moment at which the chain is no longer valid
}

// VerifyMember proves that the network issued the certificate and that it is valid at this time.
// It climbs from the leaf to the network's key through the chain's own certificates and those of
// [Rules.Authorities]; of several ways it takes the one that is valid longest.
//
// Errors wrap [ErrUnknownKey] when there is no way, [ErrMalformed] when the leaf is not a member's,
// [ErrRevoked], [ErrExpired], or [ErrFuture] when it is not valid yet by more than the clock skew.
func (p *Policy) VerifyMember(c Chain, at time.Time) (Member, error) {
	_, m, err := p.verifyMember(c, at)
	return m, err
}

// verifyMember also returns the way to the network's key: what is worth keeping of the chain.
func (p *Policy) verifyMember(c Chain, at time.Time) (Chain, Member, error) {
	switch {
	case c.IsZero():
		return Chain{}, Member{}, refuse(ErrUnknownKey, "there is no certificate").hinting("issue one with: dmfs certificate sign")
	case p.network.IsZero():
		return Chain{}, Member{}, refuse(ErrUnknownKey, "without a network nobody is a member").hinting("set the network's id in [network]")
	}
	leaf := c.certificates[0]
	if err := checkLeaf(leaf); err != nil {
		return Chain{}, Member{}, err
	}
	search := climb{policy: p, at: at, authorities: append(c.certificates[1:len(c.certificates):len(c.certificates)], p.authorities...)}
	way, err := search.from([]*x509.Certificate{leaf})
	if err != nil {
		return Chain{}, Member{}, err
	}
	m := Member{Key: c.Key(), Name: leaf.Subject.CommonName, Serial: serialText(leaf.SerialNumber), Issued: leaf.NotBefore}
	m.NotBefore, m.NotAfter = validity(way)
	return Chain{way}, m, nil
}

// checkLeaf wants a member's certificate. An authority's is none, so that whoever takes the
// defaults of other tools does not hand out the right to issue.
func checkLeaf(leaf *x509.Certificate) error {
	switch {
	case leaf.IsCA:
		return refuse(ErrMalformed, "%s is an authority's certificate, not a member's", subject(leaf))
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return refuse(ErrMalformed, "%s: the certificate's key is not for signing", subject(leaf))
	}
	if err := checkMemberName(leaf.Subject.CommonName); err != nil {
		return refuse(ErrMalformed, "the certificate's common name: %v", err)
	}
	return nil
}

// A climb looks for the way from a certificate to the network's key.
type climb struct {
	policy      *Policy
	at          time.Time
	authorities []*x509.Certificate
}

// from extends a way that nobody has proved yet. The error is that of the way that came closest.
func (s *climb) from(way []*x509.Certificate) (best []*x509.Certificate, err error) {
	last := way[len(way)-1]
	if s.policy.network.verifies(last.RawTBSCertificate, last.Signature) {
		return way, s.policy.judgeWay(way, s.at)
	}
	err = refuse(ErrUnknownKey, "%s: the certificate is not of this network", subject(way[0])).
		hinting("have it issued by this network's key or one of its authorities")
	if len(way) == maxChain {
		return nil, err
	}
	for _, ca := range s.authorities {
		if string(ca.RawSubject) != string(last.RawIssuer) || !keyOf(ca).verifies(last.RawTBSCertificate, last.Signature) {
			continue
		}
		found, fault := s.from(append(way[:len(way):len(way)], ca))
		switch {
		case fault == nil && longer(found, best):
			best = found
		case fault != nil && errors.Is(err, ErrUnknownKey):
			err = fault
		}
	}
	if best != nil {
		return best, nil
	}
	return nil, err
}

// judgeWay proves what signatures alone do not: that those above the leaf may issue, and that no
// certificate is revoked, over or not valid yet.
func (p *Policy) judgeWay(way []*x509.Certificate, at time.Time) error {
	for i, c := range way {
		if i > 0 && (!authority(c) || lengthLimit(c) < i-1) {
			return refuse(ErrUnknownKey, "%s: %s, which issued a certificate, may not", subject(way[0]), subject(c))
		}
		if p.revokedSerials[serialText(c.SerialNumber)] || p.revokedKeys[keyOf(c)] {
			return refuse(ErrRevoked, "%s: the certificate of %s is revoked", subject(way[0]), subject(c))
		}
	}
	from, to := validity(way)
	switch {
	case !at.Before(to):
		return refuse(ErrExpired, "%s: the certificate ended at %s", subject(way[0]), to.Format(time.RFC3339)).
			hinting("renew it with: dmfs certificate sign")
	case at.Before(from.Add(-p.skew)):
		return refuse(ErrFuture, "%s: the certificate begins at %s", subject(way[0]), from.Format(time.RFC3339)).
			hinting("compare the clocks")
	}
	return nil
}

// authority reports whether a certificate lets its key issue others.
func authority(c *x509.Certificate) bool {
	return c.BasicConstraintsValid && c.IsCA && (c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0)
}

// lengthLimit is how many authorities may stand between this one and the leaf.
func lengthLimit(c *x509.Certificate) int {
	if c.MaxPathLen > 0 || c.MaxPathLenZero {
		return c.MaxPathLen
	}
	return maxChain
}

// validity is the time in which all certificates of a way are valid.
func validity(way []*x509.Certificate) (from, to time.Time) {
	from, to = way[0].NotBefore, way[0].NotAfter
	for _, c := range way[1:] {
		if c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if c.NotAfter.Before(to) {
			to = c.NotAfter
		}
	}
	return from, to
}

// longer reports whether way a is valid longer than b.
func longer(a, b []*x509.Certificate) bool {
	if b == nil {
		return true
	}
	_, endA := validity(a)
	_, endB := validity(b)
	return endA.After(endB)
}

// subject names a certificate in a message.
func subject(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return shown(c.Subject.CommonName)
	}
	return "serial " + serialText(c.SerialNumber)
}

// serialText renders a serial number.
func serialText(serial *big.Int) string { return hex.EncodeToString(serial.Bytes()) }
