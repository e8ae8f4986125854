package wire

import (
	"crypto/sha256"
	"encoding/binary"
)

// Encode returns the one encoding of m. It does not check limits: what exceeds them is refused by Decode.
func Encode(m Message) []byte {
	w := writer{b: []byte{m.kind()}}
	m.encode(&w)
	return w.b
}

// RootOf returns the root of items, which are in the order of their keys.
func RootOf(items []Item) [32]byte {
	h := sha256.New()
	var w writer
	w.u32(uint32(len(items)))
	for _, it := range items {
		w.item(it)
		h.Write(w.b)
		w.b = w.b[:0]
	}
	h.Write(w.b)
	return [32]byte(h.Sum(nil))
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
func (Hello) kind() byte   { return kindHello }
func (Root) kind() byte    { return kindRoot }
func (Page) kind() byte    { return kindPage }
func (Want) kind() byte    { return kindWant }
func (End) kind() byte     { return kindEnd }
func (Ask) kind() byte     { return kindAsk }
func (Offer) kind() byte   { return kindOffer }
func (Member) kind() byte  { return kindMember }
func (Verdict) kind() byte { return kindVerdict }

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

func (h Hello) encode(w *writer) {
	w.raw(h.Root[:])
	w.u32(h.Count)
	w.raw(h.Settled[:])
}

func (r Root) encode(w *writer) {
	w.raw(r.Root[:])
	w.u32(r.Count)
}

func (p Page) encode(w *writer) {
	w.flag(p.Last)
	w.u16(len(p.Items))
	for _, it := range p.Items {
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

func (a Ask) encode(w *writer) { w.raw(a.Digest[:]) }

func (o Offer) encode(w *writer) {
	w.flag(o.Held)
	w.u32(o.Size)
}

func (m Member) encode(w *writer) {
	w.u16(len(m.Chain))
	w.raw(m.Chain)
}

func (v Verdict) encode(w *writer) { w.u8(byte(v.Reason)) }
