package trust

import (
	"slices"
	"time"
)

// A Preview is what can be proved before the content is known. It is not a Record: the content's
// digest is still open.
type Preview struct {
	Signer  Key
	Version Version
	Deleted bool
}

// Verify turns a claim into a record, or says why not. It is the only door: at is the current time,
// and decides only whether the signed lifetime is over. The verdicts and their order are those of
// the package comment.
func (p *Policy) Verify(c Claim, at time.Time) (Record, error) {
	s, err := p.open(c)
	if err != nil {
		return Record{}, err
	}
	c = c.sum()
	signer, err := p.signer(c.name, s, &c.digest)
	if err != nil {
		return Record{}, err
	}
	if err := p.judge(c.name, s, at); err != nil {
		return Record{}, err
	}
	if s.deleted && c.digest != nothing {
		return Record{}, refuse(ErrMismatch, "%s: a tombstone has no content", c.name)
	}
	return Record{
		policy: p, name: c.name, signer: signer, digest: c.digest, facts: s.facts,
		signature: s.text(c.name, signer), content: c.content, whole: c.whole,
	}, nil
}

// Examine proves what a signature says before its content is known: the signer of the comment, the
// name, the network and the lifetime. Its refusals are those of Verify.
func (p *Policy) Examine(n Name, signature []byte, at time.Time) (Preview, error) {
	s, err := p.open(Claim{name: n, signature: signature})
	if err != nil {
		return Preview{}, err
	}
	signer, err := p.signer(n, s, nil)
	if err != nil {
		return Preview{}, err
	}
	if err := p.judge(n, s, at); err != nil {
		return Preview{}, err
	}
	return Preview{Signer: signer, Version: s.version, Deleted: s.deleted}, nil
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
		return nil, refuse(ErrNotAllowed, "no entry for %s", c.name).
			hinting("add it to [files] with the keys that may sign it")
	}
	return s, nil
}

// signer finds the key of the name that made both signatures, or the best explanation.
func (p *Policy) signer(n Name, s *signature, d *Digest) (Key, error) {
	var known, comment, content bool
	for _, k := range likelyFirst(p.files[n], s.raw.KeyID) {
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

// judge compares the signed facts with the name, the network and the clock.
func (p *Policy) judge(n Name, s *signature, at time.Time) error {
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
	if end, ok := s.expires(); ok && !at.Before(end) {
		return refuse(ErrExpired, "%s: the signed lifetime ended at %s", n, end.Format(time.RFC3339)).
			hinting("sign it again")
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
