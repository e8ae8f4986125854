package trust

// A Claim is a name, a signature and perhaps content that nobody has proved yet. Making one checks
// nothing; [Policy.Verify] does. A Claim keeps the slices that it is made of: the caller must not
// change them afterwards.
type Claim struct {
	name      Name
	signature []byte
	content   []byte
	digest    Digest // meaningful when digested
	known     Chain  // of the signer, from elsewhere
	whole     bool   // the content is here, perhaps empty
	digested  bool
}

// NewClaim claims that the signature is for the name and the whole content; nil content is empty.
func NewClaim(n Name, signature, content []byte) Claim {
	return Claim{name: n, signature: signature, content: content, whole: true}
}

// NewHead claims the same of a content that is not here, only its digest.
func NewHead(n Name, signature []byte, d Digest) Claim {
	return Claim{name: n, signature: signature, digest: d, digested: true}
}

// Name returns the claimed name.
func (c Claim) Name() Name { return c.name }

// Signature returns the text of the signature file as it came; read only.
func (c Claim) Signature() []byte { return c.signature }

// WithCertificate returns the claim with a certificate of the signer that the node knows from
// elsewhere, perhaps renewed since the signature was made. [Policy.Verify] takes this one or that
// behind the signature, whichever is valid; of two that are, the one that is valid longer.
func (c Claim) WithCertificate(ch Chain) Claim {
	c.known = ch
	return c
}

// sum returns the claim with its digest known.
func (c Claim) sum() Claim {
	if !c.digested {
		c.digest, c.digested = DigestOf(c.content), true
	}
	return c
}
