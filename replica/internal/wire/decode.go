package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"dmfs/trust"
)

// ErrMalformed is wrapped by every error of Decode and Read that is the sender's fault.
var ErrMalformed = errors.New("malformed message")

// Decode reads one message, the whole of b. Byte slices of the message share b.
func Decode(b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	r := reader{rest: b[1:]}
	m := r.message(b[0])
	if r.err == nil && len(r.rest) > 0 {
		r.fail("trailing bytes")
	}
	if r.err != nil {
		return nil, r.err
	}
	return m, nil
}

// reader takes fields off the front; after the first failure it only returns zeros.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	r.rest = nil
}

func (r *reader) raw(n int) []byte {
	if r.err == nil && n > len(r.rest) {
		r.fail("too short")
	}
	if r.err != nil {
		return nil
	}
	p := r.rest[:n:n]
	r.rest = r.rest[n:]
	return p
}

// fill copies the next bytes into p.
func (r *reader) fill(p []byte) { copy(p, r.raw(len(p))) }

// number takes a number of the given size in bytes that lies in low..high.
func (r *reader) number(what string, size int, low, high uint64) uint64 {
	var p [8]byte
	r.fill(p[8-size:])
	n := binary.BigEndian.Uint64(p[:])
	if r.err == nil && (n < low || n > high) {
		r.fail(what + " out of range")
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) flag(what string) bool { return r.number(what, 1, 0, 1) == 1 }

func (r *reader) message(kind byte) Message {
	switch kind {
	case kindHead:
		return r.head()
	case kindRoot:
		return r.root()
	case kindLook:
		return r.look()
	case kindNode:
		return r.node()
	case kindLeaf:
		return r.leaf()
	case kindWant:
		return r.want()
	case kindEnd:
		return End{}
	case kindAsk:
		return r.ask()
	case kindOffer:
		return r.offer()
	case kindMember:
		return Member{Chain: r.raw(int(r.number("length of certificates", 2, 0, MaxChain)))}
	case kindContact:
		return Contact{
			Envelope: r.raw(int(r.number("length of envelope", 2, 1, MaxEnvelope))),
			Chain:    r.raw(int(r.number("length of certificates", 2, 0, MaxChain))),
		}
	case kindReport:
		return r.report()
	case kindVerdict:
		return Verdict{Reason: Reason(r.number("reason", 1, 0, uint64(OtherKey)))}
	}
	r.fail(fmt.Sprintf("unknown kind 0x%02x", kind))
	return nil
}

func (r *reader) head() Message {
	var h Head
	h.Name = string(r.raw(int(r.number("name length", 2, 1, trust.MaxName))))
	h.Version = int64(r.number("version", 8, 1, 1<<63-1))
	h.Signature = r.raw(int(r.number("signature length", 2, 1, trust.MaxSignature)))
	r.fill(h.Digest[:])
	h.Size = uint32(r.number("size", 4, 0, trust.MaxContent))
	if !r.flag("inline") {
		return h
	}
	if h.Size > MaxInline {
		r.fail("inline content too long")
	}
	h.Content = r.raw(int(h.Size))
	return h
}

func (r *reader) root() Message {
	var m Root
	r.fill(m.Hash[:])
	return m
}

func (r *reader) look() Message {
	n := int(r.number("number of prefixes", 2, 1, MaxLook))
	m := Look{Prefixes: make([]Prefix, n)}
	for i := range m.Prefixes {
		m.Prefixes[i] = r.prefix()
	}
	return m
}

func (r *reader) prefix() (p Prefix) {
	p.Depth = uint8(r.number("depth", 1, 0, MaxDepth))
	r.fill(p.Bits[:p.size()])
	if p != PrefixOf(p.Bits, p.Depth) {
		r.fail("bits behind a prefix")
	}
	return p
}

func (r *reader) node() Message {
	var n Node
	mask := r.number("children", 2, 1, 1<<16-1)
	for i := range n.Children {
		if mask>>i&1 == 0 {
			continue
		}
		if r.fill(n.Children[i][:]); n.Children[i] == (Hash{}) {
			r.fail("a child that is nothing")
		}
	}
	return n
}

func (r *reader) leaf() Message {
	n := int(r.number("number of items", 1, 0, MaxItems))
	l := Leaf{Items: make([]Item, n)}
	for i := range l.Items {
		l.Items[i] = r.item()
		if i > 0 && bytes.Compare(l.Items[i-1].Key[:], l.Items[i].Key[:]) >= 0 {
			r.fail("items out of order")
		}
	}
	return l
}

func (r *reader) item() (it Item) {
	r.fill(it.Key[:])
	it.Version = int64(r.number("version", 8, 1, 1<<63-1))
	r.fill(it.Tag[:])
	return it
}

func (r *reader) want() Message {
	n := int(r.number("number of keys", 2, 1, MaxKeys))
	m := Want{Keys: make([]Key, n)}
	for i := range m.Keys {
		r.fill(m.Keys[i][:])
	}
	return m
}

func (r *reader) ask() Message {
	var a Ask
	r.fill(a.Key[:])
	r.fill(a.Digest[:])
	a.From = uint32(r.number("from", 4, 0, trust.MaxContent))
	return a
}

func (r *reader) offer() Message {
	o := Offer{Held: r.flag("held"), Size: uint32(r.number("size", 4, 0, trust.MaxContent))}
	if !o.Held && o.Size > 0 {
		r.fail("size of what is not held")
	}
	return o
}

func (r *reader) report() Message {
	var m Report
	r.fill(m.Author[:])
	r.fill(m.Root[:])
	m.Moment = int64(r.number("moment", 8, 1, 1<<63-1))
	m.Agent = string(r.raw(int(r.number("length of agent", 1, 0, MaxAgent))))
	for _, c := range []byte(m.Agent) {
		if c < ' ' || c > '~' {
			r.fail("agent not printable")
		}
	}
	r.fill(m.Signature[:])
	return m
}
