package wire

import (
	"crypto/sha256"
	"time"
)

// Key stands for a name in a summary.
type Key [12]byte

// KeyOf returns the key of a name.
func KeyOf(name string) Key {
	sum := sha256.Sum256([]byte(name))
	return Key(sum[:])
}

// Prefix is the first half bytes of keys, Depth of them; the rest of Bits is zero.
type Prefix struct {
	Bits  Key
	Depth uint8
}

// PrefixOf returns the first depth half bytes of a key.
func PrefixOf(k Key, depth uint8) Prefix {
	p := Prefix{Depth: depth}
	copy(p.Bits[:p.size()], k[:])
	if depth%2 == 1 {
		p.Bits[depth/2] &= 0xf0
	}
	return p
}

// Child returns the prefix with one more half byte. The prefix must be shorter than MaxDepth.
func (p Prefix) Child(half int) Prefix {
	if p.Depth%2 == 0 {
		half <<= 4
	}
	p.Bits[p.Depth/2] |= byte(half)
	p.Depth++
	return p
}

// Holds reports whether a key begins with the prefix.
func (p Prefix) Holds(k Key) bool { return PrefixOf(k, p.Depth) == p }

// size returns the bytes that the prefix reaches into.
func (p Prefix) size() int { return (int(p.Depth) + 1) / 2 }

// Half returns the half byte of a key at a depth.
func (k Key) Half(depth uint8) int {
	if depth%2 == 0 {
		return int(k[depth/2] >> 4)
	}
	return int(k[depth/2] & 0xf)
}

// Stamp stands for all that is signed about a version of a name.
type Stamp [32]byte

// Tag is the beginning of a stamp.
type Tag [4]byte

// StampOf returns the stamp of a record with these properties.
func StampOf(version int64, digest [64]byte, signer [32]byte, deleted bool, ttl time.Duration) Stamp {
	var w writer
	w.u64(uint64(version))
	w.raw(digest[:])
	w.raw(signer[:])
	w.flag(deleted)
	w.u64(uint64(ttl))
	return sha256.Sum256(w.b)
}

// StampOfContact returns the stamp of a contact, from the payload of its envelope.
func StampOfContact(payload []byte) Stamp { return sha256.Sum256(payload) }

// StampOfReport returns the stamp of a report.
func StampOfReport(r Report) Stamp { return sha256.Sum256(Encode(r)) }

// KeyOfContact returns the key of the contact of a peer.
func KeyOfContact(id string) Key {
	k := KeyOf(id)
	k[len(k)-1] &^= 1
	return k
}

// KeyOfReport returns the key of the report of a peer, which follows that of its contact.
func KeyOfReport(id string) Key {
	k := KeyOf(id)
	k[len(k)-1] |= 1
	return k
}

// Tag returns the beginning of the stamp.
func (s Stamp) Tag() Tag { return Tag(s[:]) }

// Item is one name in a summary: which version of it a node holds.
type Item struct {
	Key     Key
	Version int64
	Tag     Tag
}

// Hash is what a summary says of a range of keys; zero of one without any.
type Hash [16]byte

// LeafHash returns the hash of a range of at most MaxItems keys. The stamps are in the order of their keys.
func LeafHash(keys []Key, stamps []Stamp) Hash {
	if len(keys) == 0 {
		return Hash{}
	}
	w := writer{b: make([]byte, 1, 1+len(keys)*(len(Key{})+len(Stamp{})))}
	for i, k := range keys {
		w.raw(k[:])
		w.raw(stamps[i][:])
	}
	return hash(w.b)
}

// NodeHash returns the hash of a range of more keys, from those of its sixteen parts.
func NodeHash(children [16]Hash) Hash {
	var b [1 + 16*len(Hash{})]byte
	b[0] = 1
	for i, c := range children {
		copy(b[1+i*len(c):], c[:])
	}
	return hash(b[:])
}

func hash(b []byte) Hash {
	sum := sha256.Sum256(b)
	return Hash(sum[:])
}
