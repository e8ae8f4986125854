package replica

import (
	"errors"
	"fmt"
	"time"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// gossipInline is the longest content that travels in gossip; sync inlines up to wire.MaxInline.
const gossipInline = 8 << 10

// headOf makes the head of an entry, with the content if it has at most inline bytes. It fails when the
// entry has been superseded and its content is gone.
func (r *Replica) headOf(e index.Entry, inline int64) (wire.Head, error) {
	rec := e.Record
	h := wire.Head{
		Name:      rec.Name().String(),
		Version:   int64(rec.Version()),
		Signature: rec.Signature(),
		Digest:    rec.Digest(),
		Size:      uint32(e.Size),
	}
	if e.Size > inline {
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

// prove has the policy judge a head. The record has its content if the head has.
func (r *Replica) prove(h wire.Head) (trust.Record, error) {
	name, err := trust.ParseName(h.Name)
	if err != nil {
		return trust.Record{}, err
	}
	claim := trust.NewHead(name, h.Signature, h.Digest)
	if h.Content != nil {
		claim = trust.NewClaim(name, h.Signature, h.Content)
	}
	rec, err := r.ix.Policy().Verify(claim, time.Now())
	if err != nil {
		return trust.Record{}, err
	}
	if int64(rec.Version()) != h.Version || rec.Digest() != h.Digest {
		return trust.Record{}, fmt.Errorf("%w: head contradicts its signature", wire.ErrMalformed)
	}
	return rec, nil
}

// innocent reports whether an honest peer may have sent what was refused with err, because policies and
// clocks differ.
func innocent(err error) bool {
	for _, e := range []error{trust.ErrNotAllowed, trust.ErrUnknownKey, trust.ErrExpired, trust.ErrRevoked} {
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
