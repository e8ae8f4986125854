package wire

import (
	"crypto/sha256"
	"time"

	"dmfs/trust"
)

// Limits of the format.
const (
	MaxInline = 64 << 10 // bytes of content in a Head
	MaxItems  = 1024     // items of a Page
	MaxKeys   = 256      // keys of a Want
	MaxChain  = 8400     // bytes of certificates in a Member, which is what package trust takes

	// MaxRequest bounds what a server reads: the longest Want.
	MaxRequest = 1 + 2 + MaxKeys*len(Key{})
	// MaxMember bounds what is read of somebody who has not proved anything: the longest Member.
	MaxMember = 1 + 2 + MaxChain
	// MaxMessage bounds every message: the longest Head.
	MaxMessage = 1 + 2 + trust.MaxName + 8 + 2 + trust.MaxSignature + 64 + 4 + 1 + MaxInline
)

const (
	kindHead byte = 0x11 + iota
	kindHello
	kindRoot
	kindPage
	kindWant
	kindEnd
	kindAsk
	kindOffer
	kindMember
	kindVerdict
)

// Message is one of Head, Hello, Root, Page, Want, End, Ask, Offer, Member and Verdict.
type Message interface {
	kind() byte
	encode(*writer)
}

// Key stands for a name in a summary.
type Key [16]byte

// KeyOf returns the key of a name.
func KeyOf(name string) Key {
	sum := sha256.Sum256([]byte(name))
	return Key(sum[:16])
}

// TagOf returns the tag of a record with these properties.
func TagOf(digest [64]byte, signer [32]byte, deleted bool, ttl time.Duration) [8]byte {
	var w writer
	w.raw(digest[:])
	w.raw(signer[:])
	w.flag(deleted)
	w.u64(uint64(ttl))
	sum := sha256.Sum256(w.b)
	return [8]byte(sum[:8])
}

// Item is one name in a summary: which version of it a node holds.
type Item struct {
	Key     Key
	Version int64
	Tag     [8]byte
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

// Hello opens a sync with the client's root. Settled is a root of the server's from which the client
// could take nothing, else zero.
type Hello struct {
	Root    [32]byte
	Count   uint32
	Settled [32]byte
}

// Root is the server's answer to Hello.
type Root struct {
	Root  [32]byte
	Count uint32
}

// Page is a part of the server's items.
type Page struct {
	Last  bool
	Items []Item
}

// Want asks for heads.
type Want struct{ Keys []Key }

// End closes the answer to a Want.
type End struct{}

// Ask asks for a content.
type Ask struct{ Digest [64]byte }

// Offer answers an Ask; Size raw bytes follow it when the content is held.
type Offer struct {
	Held bool
	Size uint32
}

// Member shows the sender's certificate, and those of the authorities above it, in DER. Without any
// it says that the sender has none.
type Member struct{ Chain []byte }

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
