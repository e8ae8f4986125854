package trust

import (
	"slices"
	"time"
)

// Verify turns a claim into a record, or says why not. It is the only door: at is the current time,
// and decides only what the signed lifetime, the certificate and the limit on the future leave to
// it. The verdicts and their order are those of the package comment.
//
// When nothing but the signed lifetime is over, the record comes with the refusal, [ErrExpired]: it
// is not to be shown, but proves what it supersedes. With any other refusal comes the zero Record.
func (p *Policy) Verify(c Claim, at time.Time) (Record, error) {
	q := p.judgeOf(c.name)
	s, err := q.open(c)
	if err != nil {
		return Record{}, err
	}
	c = c.sum()
	signer, err := q.signer(c.name, s, &c.digest)
	if err != nil {
		return Record{}, err
	}
	if err := q.judge(c.name, signer, s, at); err != nil {
		return Record{}, err
	}
	way, member, err := q.member(c, signer, s, at)
	if err != nil {
		return Record{}, err
	}
	if err := q.judgeContent(c, s); err != nil {
		return Record{}, err
	}
	return Record{
		policy: p, name: c.name, signer: signer, digest: c.digest, facts: s.facts, member: member,
		signature: s.text(c.name, signer, way), content: c.content, whole: c.whole,
	}, judgeLifetime(c.name, s, at)
}

// judgeOf returns the policy that judges a name: the travelling policy has no say about itself, so
// that every node judges it alike whichever one it held before.
func (p *Policy) judgeOf(n Name) *Policy {
	if n == policyName {
		return p.Base()
	}
	return p
}

// Examine proves what a signature says before the content is known: the signer of the comment, the
// name, the network, the lifetime and the version. Its refusals are those of Verify. It asks for no
// certificate: the node may know one that did not come with the signature.
func (p *Policy) Examine(n Name, signature []byte, at time.Time) (Statement, error) {
	q := p.judgeOf(n)
	s, err := q.open(Claim{name: n, signature: signature})
	if err != nil {
		return Statement{}, err
	}
	signer, err := q.signer(n, s, nil)
	if err != nil {
		return Statement{}, err
	}
	if err := q.judge(n, signer, s, at); err != nil {
		return Statement{}, err
	}
	if err := judgeLifetime(n, s, at); err != nil {
		return Statement{}, err
	}
	return Statement{Name: n, Version: s.version, Network: s.network, TTL: s.ttl, Deleted: s.deleted}, nil
}

// open checks the limits, parses the signature and looks for the name's entry.
func (p *Policy) open(c Claim) (*signature, error) {
	if c.name.IsZero() {
		return nil, refuse(ErrName, "the name is empty")
	}
	if len(c.content) > MaxContent {
		return nil, contentTooLarge(c.name)
	}
	s, err := parseSignature(c.signature)
	if err != nil {
		return nil, err
	}
	if !p.Admits(c.name) {
		return nil, p.noEntry(c.name)
	}
	return s, nil
}

// noEntry refuses a name that the policy does not admit.
func (p *Policy) noEntry(n Name) *Refusal {
	r := refuse(ErrNotAllowed, "no entry for %s", n)
	if ns, _, ok := p.within(n); ok {
		return r.hinting("below %s, name the file after the member's identity key in unpadded base64url", ns)
	}
	if n == policyName {
		return r.hinting("say who may sign it with signers in [policy] of the configuration")
	}
	return r.hinting("add it to [files] with the keys that may sign it")
}

// keysOf returns the keys that may sign the name.
func (p *Policy) keysOf(n Name) []PublicKey {
	if keys, ok := p.files[n]; ok {
		return keys
	}
	if _, k, ok := p.Namespace(n); ok {
		return []PublicKey{{Key: k, ID: keyID(k)}}
	}
	return nil
}

// signer finds the key of the name that made both signatures, or the best explanation.
func (p *Policy) signer(n Name, s *signature, d *Digest) (Key, error) {
	var known, comment, content bool
	for _, k := range likelyFirst(p.keysOf(n), s.raw.KeyID) {
		c := k.Key.verifies(globalMessage(&s.raw), s.raw.CommentSignature[:])
		b := d == nil && c || d != nil && k.Key.verifies(d[:], s.raw.Signature[:])
		if c && b {
			return k.Key, nil
		}
		known, comment, content = known || k.ID == s.raw.KeyID, comment || c, content || b
	}
	switch {
	case comment:
		return Key{}, mismatch(n, "the content is not the one that was signed")
	case content:
		return Key{}, mismatch(n, "the trusted comment was changed after signing")
	case known:
		return Key{}, mismatch(n, "the signature was changed, or another key with the same id made it")
	}
	return Key{}, p.stranger(n, s)
}

// stranger explains a signature that no key of the name made. It tries few enough keys that a
// hostile signature costs milliseconds, however large the policy is.
func (p *Policy) stranger(n Name, s *signature) error {
	likely, others := p.byID[s.raw.KeyID], p.keys
	likely, others = likely[:min(len(likely), maxOthers)], others[:min(len(others), maxOthers)]
	for _, k := range slices.Concat(likely, others) {
		if k.Key.verifies(globalMessage(&s.raw), s.raw.CommentSignature[:]) {
			return refuse(ErrNotAllowed, "%s: key %s may not sign this name", n, k.Key).
				hinting("sign with a key of the name's entry in [files], or add this key there")
		}
	}
	if _, member, ok := p.Namespace(n); ok {
		return refuse(ErrUnknownKey, "%s: signed by another key than that of the member whose name it is", n).
			hinting("sign with the identity key %s", member)
	}
	return refuse(ErrUnknownKey, "%s: signed by a key that the policy does not know (id %016X)", n, s.raw.KeyID).
		hinting("sign with a key of the name's entry in [files], or add yours there")
}

// likelyFirst returns the keys with those first that have the id.
func likelyFirst(keys []PublicKey, id uint64) []PublicKey {
	first := func(k PublicKey) bool { return k.ID == id }
	if len(keys) < 2 || !slices.ContainsFunc(keys, first) {
		return keys
	}
	return slices.SortedStableFunc(slices.Values(keys), func(a, b PublicKey) int {
		return compareBool(first(b), first(a))
	})
}

// judge compares the signer and the signed facts with what was revoked, the name, the network and
// the clock.
func (p *Policy) judge(n Name, signer Key, s *signature, at time.Time) error {
	if p.revokedKeys[signer] {
		return refuse(ErrRevoked, "%s: key %s is revoked", n, signer).hinting("sign with another key of the name")
	}
	if s.file == "" {
		return mismatch(n, "the signature does not say which file it is for").
			hinting("sign with dmfs file sign; with minisign -t, add the token file:%s", n)
	}
	if s.file != n.text {
		return mismatch(n, "the signature is for "+shown(s.file)).
			hinting("sign it as this name; minisign alone writes the base name: give -t with file:%s", n)
	}
	if err := p.judgeNetwork(n, s.network); err != nil {
		return err
	}
	return p.judgeVersion(n, s.version, at)
}

// judgeLifetime compares the signed lifetime with the clock. It comes last, as it leaves a record.
func judgeLifetime(n Name, s *signature, at time.Time) error {
	if end, ok := s.expires(); ok && !at.Before(end) {
		return refuse(ErrExpired, "%s: the signed lifetime ended at %s", n, end.Format(time.RFC3339)).
			hinting("sign it again")
	}
	return nil
}

// judgeVersion compares the version with the name's bounds and with the clock.
func (p *Policy) judgeVersion(n Name, v Version, at time.Time) error {
	signed := v.Time().Format(time.RFC3339Nano)
	b := p.rules.Bounds[n]
	switch {
	case v < b.NotBefore:
		return refuse(ErrNotAllowed, "%s: signed at %s, before the bound %s", n, signed, b.NotBefore.Time().Format(time.RFC3339Nano)).
			hinting("sign it again, within the name's entry in [bounds]")
	case b.NotAfter > 0 && v > b.NotAfter:
		return refuse(ErrNotAllowed, "%s: signed at %s, after the bound %s", n, signed, b.NotAfter.Time().Format(time.RFC3339Nano)).
			hinting("sign it again, within the name's entry in [bounds]")
	case p.rules.MaxFuture > 0 && v.Time().After(at.Add(p.rules.MaxFuture)):
		return refuse(ErrFuture, "%s: signed at %s, more than %v ahead of this clock", n, signed, p.rules.MaxFuture).
			hinting("compare the clocks; it is taken when its time has come")
	}
	return nil
}

// member proves that the signer of a name in a namespace is a member, by the certificate behind the
// signature or by one from elsewhere. It returns the way to the network's key that is kept.
func (p *Policy) member(c Claim, signer Key, s *signature, at time.Time) (Chain, *Member, error) {
	if _, file := p.files[c.name]; file {
		return Chain{}, nil, nil
	}
	if s.chain.IsZero() && c.known.IsZero() {
		return Chain{}, nil, refuse(ErrUnknownKey, "%s: there is no certificate of member key %s", c.name, signer).
			hinting("append it: dmfs file update --cert CERTIFICATE")
	}
	var way Chain
	var member *Member
	var fault error
	for _, chain := range []Chain{s.chain, c.known} {
		if chain.IsZero() {
			continue
		}
		w, m, err := p.prove(c.name, signer, chain, at)
		switch {
		case err != nil && fault == nil:
			fault = err
		case err == nil && (member == nil || m.NotAfter.After(member.NotAfter)):
			way, member = w, &m
		}
	}
	if member != nil {
		return way, member, nil
	}
	return Chain{}, nil, fault
}

// prove proves one chain, which must be the signer's.
func (p *Policy) prove(n Name, signer Key, c Chain, at time.Time) (Chain, Member, error) {
	if c.Key() != signer {
		return Chain{}, Member{}, mismatch(n, "the certificate is for key "+c.Key().String()+", not for the signer's")
	}
	way, m, err := p.verifyMember(c, at)
	return way, m, regarding(n.text, err)
}

// judgeContent refuses contents that no signature can make right.
func (p *Policy) judgeContent(c Claim, s *signature) error {
	switch {
	case s.deleted && c.digest != nothing:
		return refuse(ErrMismatch, "%s: a tombstone has no content", c.name)
	case c.name == policyName && c.whole && !s.deleted:
		return p.judgePolicy(c.content)
	}
	return nil
}

// judgeNetwork wants the policy's network where it has one.
func (p *Policy) judgeNetwork(n Name, network Key) error {
	switch {
	case p.network.IsZero() || network == p.network:
		return nil
	case network.IsZero():
		return mismatch(n, "the signature does not say which network it is for").
			hinting("sign with dmfs file sign --network-id %s", p.network)
	}
	return mismatch(n, "the signature is for the network "+network.String()).
		hinting("this network is %s", p.network)
}

// mismatch refuses a signature that is not for this.
func mismatch(n Name, what string) *Refusal {
	return refuse(ErrMismatch, "%s: %s", n, what)
}

// contentTooLarge refuses a content beyond the limit.
func contentTooLarge(n Name) *Refusal {
	return refuse(ErrTooLarge, "%s: the content is longer than %d bytes", n, MaxContent)
}
