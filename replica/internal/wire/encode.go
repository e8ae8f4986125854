package wire

import (
	"encoding/binary"
)

// Encode returns the one encoding of m. It does not check limits: what exceeds them is refused by Decode.
func Encode(m Message) []byte {
	w := writer{b: []byte{m.kind()}}
	m.encode(&w)
	return w.b
}

type writer struct{ b []byte }

func (w *writer) raw(p []byte) { w.b = append(w.b, p...) }
func (w *writer) u8(n byte)    { w.b = append(w.b, n) }
func (w *writer) u16(n int)    { w.b = binary.BigEndian.AppendUint16(w.b, uint16(n)) }
func (w *writer) u32(n uint32) { w.b = binary.BigEndian.AppendUint32(w.b, n) }
func (w *writer) u64(n uint64) { w.b = binary.BigEndian.AppendUint64(w.b, n) }

func (w *writer) flag(on bool) {
	if on {
		w.u8(1)
	} else {
		w.u8(0)
	}
}

func (w *writer) item(it Item) {
	w.raw(it.Key[:])
	w.u64(uint64(it.Version))
	w.raw(it.Tag[:])
}

func (Head) kind() byte    { return kindHead }
func (Root) kind() byte    { return kindRoot }
func (Look) kind() byte    { return kindLook }
func (Node) kind() byte    { return kindNode }
func (Leaf) kind() byte    { return kindLeaf }
func (Want) kind() byte    { return kindWant }
func (End) kind() byte     { return kindEnd }
func (Ask) kind() byte     { return kindAsk }
func (Offer) kind() byte   { return kindOffer }
func (Member) kind() byte  { return kindMember }
func (Verdict) kind() byte { return kindVerdict }
func (Contact) kind() byte { return kindContact }
func (Report) kind() byte  { return kindReport }

func (h Head) encode(w *writer) {
	w.u16(len(h.Name))
	w.raw([]byte(h.Name))
	w.u64(uint64(h.Version))
	w.u16(len(h.Signature))
	w.raw(h.Signature)
	w.raw(h.Digest[:])
	w.u32(h.Size)
	w.flag(h.Content != nil)
	w.raw(h.Content)
}

func (r Root) encode(w *writer) { w.raw(r.Hash[:]) }

func (m Look) encode(w *writer) {
	w.u16(len(m.Prefixes))
	for _, p := range m.Prefixes {
		w.u8(p.Depth)
		w.raw(p.Bits[:min(p.size(), len(p.Bits))])
	}
}

func (n Node) encode(w *writer) {
	mask := 0
	for i, h := range n.Children {
		if h != (Hash{}) {
			mask |= 1 << i
		}
	}
	w.u16(mask)
	for _, h := range n.Children {
		if h != (Hash{}) {
			w.raw(h[:])
		}
	}
}

func (l Leaf) encode(w *writer) {
	w.u8(byte(len(l.Items)))
	for _, it := range l.Items {
		w.item(it)
	}
}

func (m Want) encode(w *writer) {
	w.u16(len(m.Keys))
	for _, k := range m.Keys {
		w.raw(k[:])
	}
}

func (End) encode(*writer) {}

func (a Ask) encode(w *writer) {
	w.raw(a.Key[:])
	w.raw(a.Digest[:])
	w.u32(a.From)
}

func (o Offer) encode(w *writer) {
	w.flag(o.Held)
	w.u32(o.Size)
}

func (m Member) encode(w *writer) {
	w.u16(len(m.Chain))
	w.raw(m.Chain)
}

func (v Verdict) encode(w *writer) { w.u8(byte(v.Reason)) }

func (c Contact) encode(w *writer) {
	w.u16(len(c.Envelope))
	w.raw(c.Envelope)
	w.u16(len(c.Chain))
	w.raw(c.Chain)
}

func (r Report) encode(w *writer) {
	r.encodeUnsigned(w)
	w.raw(r.Signature[:])
}

func (r Report) encodeUnsigned(w *writer) {
	w.raw(r.Author[:])
	w.raw(r.Root[:])
	w.u64(uint64(r.Moment))
	w.u8(byte(len(r.Agent)))
	w.raw([]byte(r.Agent))
}
