package wire

import (
	"dmfs/trust"
)

// Limits of the format.
const (
	MaxInline   = 64 << 10 // bytes of content in a Head
	MaxKeys     = 256      // keys of a Want
	MaxLook     = 64       // prefixes of a Look
	MaxItems    = 16       // items of a Leaf
	MaxDepth    = 24       // of a prefix: the half bytes of a key
	MaxChain    = 8400     // bytes of certificates in a Member, which is what package trust takes
	MaxEnvelope = 2048     // bytes of a peer record in a Contact
	MaxAgent    = 64       // bytes of a program's name in a Report
	// MaxRequest bounds what a server reads: the longest Want.
	MaxRequest = 1 + 2 + MaxKeys*len(Key{})
	// MaxPart bounds what answers a prefix: the longest Leaf.
	MaxPart = 1 + 1 + MaxItems*itemSize
	// MaxMember bounds what is read of somebody who has not proved anything: the longest Member.
	MaxMember = 1 + 2 + MaxChain
	// MaxContact bounds what is read of a peer's addresses: the longest Contact.
	MaxContact = 1 + 2 + MaxEnvelope + 2 + MaxChain
	// MaxMessage bounds every message: the longest Head.
	MaxMessage = 1 + 2 + trust.MaxName + 8 + 2 + trust.MaxSignature + 64 + 4 + 1 + MaxInline

	itemSize = len(Key{}) + 8 + len(Tag{})
)

// The low half counts messages, the high half the versions of one.
const (
	kindHead    byte = 0x11
	kindEnd     byte = 0x16
	kindOffer   byte = 0x18
	kindMember  byte = 0x19
	kindVerdict byte = 0x1a
	kindLook    byte = 0x1b
	kindNode    byte = 0x1c
	kindLeaf    byte = 0x1d
	kindContact byte = 0x1e
	kindReport  byte = 0x1f
	kindRoot    byte = 0x23
	kindWant    byte = 0x25
	kindAsk     byte = 0x27
)

// Message is one of Head, Root, Look, Node, Leaf, Want, End, Ask, Offer, Member, Verdict,
// Contact and Report.
type Message interface {
	kind() byte
	encode(*writer)
}

// Head is a signed version of a name. Content is nil unless it travels inline; an inline content without
// bytes is empty, not nil. Version repeats what the signature says, so that old news costs no proof.
type Head struct {
	Name      string
	Version   int64
	Signature []byte
	Digest    [64]byte
	Size      uint32
	Content   []byte
}

// Root is the hash of all that a node holds.
type Root struct{ Hash Hash }

// Look asks for what is below prefixes.
type Look struct{ Prefixes []Prefix }

// Node answers a prefix with more than MaxItems items below it: the hash of what is below the prefix with
// one more half byte, zero where there is nothing.
type Node struct{ Children [16]Hash }

// Leaf answers a prefix with all the items below it.
type Leaf struct{ Items []Item }

// Want asks for heads.
type Want struct{ Keys []Key }

// End closes the answer to a Want.
type End struct{}

// Ask asks for the content of a name, if it has this digest, from a byte of it on.
type Ask struct {
	Key    Key
	Digest [64]byte
	From   uint32
}

// Offer answers an Ask with the size of the whole content; the bytes asked for follow when it is held.
type Offer struct {
	Held bool
	Size uint32
}

// Member shows the sender's certificate, and those of the authorities above it, in DER. Without any
// it says that the sender has none.
type Member struct{ Chain []byte }

// Contact is what a peer says of its addresses, in an envelope that it signed, and its certificates as in a
// Member, none without a network.
type Contact struct{ Envelope, Chain []byte }

// Report is what a peer says of itself: the Root of what it holds, and which program it runs.
type Report struct {
	Author    [32]byte // its public key
	Root      Hash
	Moment    int64 // nanoseconds since the epoch, by its clock
	Agent     string
	Signature [64]byte // of Signed, by Author
}

// Signed returns what the author of a report has signed. The network's key is zero without one.
func (r Report) Signed(network [32]byte) []byte {
	w := writer{b: []byte("dmfs report\n")}
	w.raw(network[:])
	w.u8(r.kind())
	r.encodeUnsigned(&w)
	return w.b
}

// Verdict answers a Member.
type Verdict struct{ Reason Reason }

// Reason says why somebody is not admitted.
type Reason byte

// The reasons; Admitted is the lack of one.
const (
	Admitted Reason = iota
	NotOfNetwork
	Malformed
	Revoked
	Expired
	NotYetValid
	OtherKey
)

var reasons = [...]string{
	"admitted", "not a certificate of this network", "malformed certificate", "revoked", "expired", "not valid yet",
	"certificate of another key",
}

// String returns the reason in words.
func (r Reason) String() string { return reasons[r] }
