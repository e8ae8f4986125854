package trust

import (
	"bytes"
	"cmp"
	"time"
)

// A Record is what a policy accepted, perhaps with a lifetime that is over. Only [Policy.Verify] makes
// one; the zero Record is none and is refused everywhere. A Record is immutable: the slices that it shows are shared and read only.
type Record struct {
	policy    *Policy
	name      Name
	signer    Key
	digest    Digest
	facts     facts
	signature []byte
	content   []byte
	whole     bool
	member    *Member // nil: not in a namespace
}

// IsZero reports whether r is no record at all.
func (r Record) IsZero() bool { return r.policy == nil }

// Name returns the name that the record is about.
func (r Record) Name() Name { return r.name }

// Signer returns the key that signed it.
func (r Record) Signer() Key { return r.signer }

// Version returns the signed time.
func (r Record) Version() Version { return r.facts.version }

// Digest returns the signed digest of the content.
func (r Record) Digest() Digest { return r.digest }

// Member returns who published the record and until when its certificate is valid, for a record
// in a namespace. One from elsewhere has none.
func (r Record) Member() (Member, bool) {
	if r.member == nil {
		return Member{}, false
	}
	return *r.member, true
}

// TTL returns the signed lifetime, zero for one without end.
func (r Record) TTL() time.Duration { return r.facts.ttl }

// Deleted reports whether the record is a tombstone.
func (r Record) Deleted() bool { return r.facts.deleted }

// Expires returns the end of the signed lifetime, the first moment after it, if there is one. A
// member's certificate has an end of its own: [Member.NotAfter].
func (r Record) Expires() (time.Time, bool) { return r.facts.expires() }

// expires adds the lifetime to the version.
func (f facts) expires() (time.Time, bool) {
	if f.ttl == 0 {
		return time.Time{}, false
	}
	return f.version.Time().Add(f.ttl), true
}

// Signature returns the text of the signature file: the one that was proved, with its untrusted
// comment replaced by ours and, in a namespace, followed by the chain that proved the member. Shared,
// read only.
func (r Record) Signature() []byte { return r.signature }

// Content returns the content, shared and read only, and whether it is here: a record that was
// proved from a head has none. A tombstone's content is always here, and empty.
func (r Record) Content() ([]byte, bool) { return r.content, r.whole || r.facts.deleted }

// WithContent returns the record with its content, which it keeps. A content with another digest
// is refused with [ErrMismatch], one longer than [MaxContent] with [ErrTooLarge], and a travelling
// policy that makes no sense with [ErrMalformed].
func (r Record) WithContent(content []byte) (Record, error) {
	if len(content) > MaxContent {
		return Record{}, contentTooLarge(r.name)
	}
	if r.IsZero() || DigestOf(content) != r.digest {
		return Record{}, refuse(ErrMismatch, "%s: the content is not the one that was signed", r.name)
	}
	if r.name == policyName && !r.Deleted() {
		if err := r.policy.judgePolicy(content); err != nil {
			return Record{}, err
		}
	}
	r.content, r.whole = content, true
	return r, nil
}

// WithoutContent returns the record as if it were proved from a head.
func (r Record) WithoutContent() Record {
	r.content, r.whole = nil, false
	return r
}

// Claim returns what the record was proved from, to be proved again under another policy. The
// content, when it is here, is not digested again.
func (r Record) Claim() Claim {
	return Claim{name: r.name, signature: r.signature, content: r.content, digest: r.digest, whole: r.whole, digested: true}
}

// ProvedBy reports whether this very policy accepted the record.
func (r Record) ProvedBy(p *Policy) bool { return p != nil && r.policy == p }

// Compare orders two records of one name: +1 when a wins, -1 when b does, 0 when they are the same.
// The later version wins, then the greater digest, then the greater signer key. Records that agree
// in all of that differ only when a signer contradicts itself; then a tombstone wins, then the
// longer lifetime, so that all nodes still agree.
func Compare(a, b Record) int {
	return cmp.Or(
		cmp.Compare(a.facts.version, b.facts.version),
		bytes.Compare(a.digest[:], b.digest[:]),
		bytes.Compare(a.signer[:], b.signer[:]),
		compareBool(a.facts.deleted, b.facts.deleted),
		compareTTL(a.facts.ttl, b.facts.ttl),
	)
}

// compareTTL puts zero, which means for ever, after all others.
func compareTTL(a, b time.Duration) int { return cmp.Compare(uint64(a)-1, uint64(b)-1) }

// compareBool puts true after false.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
