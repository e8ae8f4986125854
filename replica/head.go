package replica

import (
	"errors"
	"fmt"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// errNotUnderstood: a travelling policy is genuine, and this program cannot read it.
var errNotUnderstood = errors.New("not understood")

// gossipInline is the longest content that travels in gossip; sync inlines up to wire.MaxInline.
const gossipInline = 8 << 10

// headOf makes the head of an entry, with the content if it has at most inline bytes and is not over. It
// fails when the entry has been superseded and its content is gone.
func (r *Replica) headOf(e index.Entry, inline int64) (wire.Head, error) {
	rec := e.Record
	h := wire.Head{
		Name:      rec.Name().String(),
		Version:   int64(rec.Version()),
		Signature: rec.Signature(),
		Digest:    rec.Digest(),
		Size:      uint32(e.Size),
	}
	if e.Size > inline || e.Expired {
		return h, nil
	}
	h.Content = []byte{}
	if e.Size == 0 {
		return h, nil
	}
	var err error
	h.Content, err = r.ix.Content(rec.Digest())
	return h, err
}

// prove has the policy judge a head. The record has its content if the head has. One that is over needs
// none: it is nothing but what supersedes others.
func (r *Replica) prove(h wire.Head) (rec trust.Record, over bool, err error) {
	name, err := trust.ParseName(h.Name)
	if err != nil {
		return trust.Record{}, false, err
	}
	claim := trust.NewHead(name, h.Signature, h.Digest)
	if h.Content != nil {
		claim = trust.NewClaim(name, h.Signature, h.Content)
	}
	policy := r.ix.Policy()
	if err := r.overdrawn(policy, name); err != nil {
		return trust.Record{}, false, err
	}
	rec, err = policy.Verify(r.certified(policy, claim), r.now())
	if rec.IsZero() {
		return rec, false, r.excuse(policy, claim, h, err)
	}
	if int64(rec.Version()) != h.Version || rec.Digest() != h.Digest {
		return trust.Record{}, false, fmt.Errorf("%w: head contradicts its signature", wire.ErrMalformed)
	}
	return rec, err != nil, nil
}

// excuse tells a travelling policy that this program does not understand, though its signers made it,
// from what a peer made up: programs roll out at different times.
func (r *Replica) excuse(policy *trust.Policy, c trust.Claim, h wire.Head, err error) error {
	if h.Name != trust.PolicyName || h.Content == nil || !unreadable(err) {
		return err
	}
	if _, fault := policy.Verify(trust.NewHead(c.Name(), h.Signature, trust.DigestOf(h.Content)), r.now()); fault != nil {
		return fault
	}
	return notUnderstood(err)
}

// unreadable reports whether err may be about the content of a travelling policy.
func unreadable(err error) bool {
	return errors.Is(err, trust.ErrMalformed) || errors.Is(err, trust.ErrTooLarge)
}

func notUnderstood(err error) error { return fmt.Errorf("%w: %w", errNotUnderstood, err) }

// certified adds to a claim in a namespace the certificate that we know of its signer: the one that
// travels with it may have been renewed since.
func (r *Replica) certified(policy *trust.Policy, c trust.Claim) trust.Claim {
	_, key, ok := policy.Namespace(c.Name())
	if !ok {
		return c
	}
	if chain, ok := r.ix.Certificate(key); ok {
		return c.WithCertificate(chain)
	}
	return c
}

// innocent reports whether an honest peer may have sent what was refused with err, because policies,
// programs and clocks differ.
func innocent(err error) bool {
	for _, e := range []error{errNotUnderstood, errTooOften, errSuperseded, trust.ErrNotAllowed, trust.ErrUnknownKey, trust.ErrExpired, trust.ErrRevoked, trust.ErrFuture} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fresh reports whether rec would win over what the index holds.
func (r *Replica) fresh(rec trust.Record) bool {
	e, ok := r.ix.Get(rec.Name())
	return !ok || e.Record.IsZero() || trust.Compare(rec, e.Record) > 0
}
