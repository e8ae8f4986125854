// Package summary keeps what two nodes compare to find what differs, at a cost that follows the
// difference: a tree of hashes over the keys of names, 16 ways at each half byte. What the hashes are, and
// how they are compared, package wire says.
//
// A [Tree] is never modified. A change makes another one, which shares all but the path to what has
// changed; so whoever compares has one state of it, however long that takes, and locks nothing.
package summary

import (
	"bytes"
	"slices"

	"dmfs/replica/internal/wire"
)

// Entry is a version of a name.
type Entry struct {
	Key     wire.Key
	Stamp   wire.Stamp
	Version int64
	Name    string
	Size    int64 // of its content, in bytes
}

// Item returns what peers are told of it.
func (e Entry) Item() wire.Item {
	return wire.Item{Key: e.Key, Version: e.Version, Tag: e.Stamp.Tag()}
}

// Tree is a set of entries with different keys. The zero Tree is empty.
type Tree struct{ root *node }

// node is what is below a prefix, nil when that is nothing: at most wire.MaxItems entries, or else parts.
type node struct {
	hash     wire.Hash
	count    int
	entries  []Entry // by key; read only
	children *[16]*node
}

// Len returns the number of entries.
func (t Tree) Len() int { return t.root.len() }

// Hash returns the hash of everything.
func (t Tree) Hash() wire.Hash { return t.root.sum() }

func (n *node) len() int {
	if n == nil {
		return 0
	}
	return n.count
}

func (n *node) sum() wire.Hash {
	if n == nil {
		return wire.Hash{}
	}
	return n.hash
}

// Get returns the entry with a key.
func (t Tree) Get(k wire.Key) (Entry, bool) {
	n := t.root
	for depth := uint8(0); n != nil && n.children != nil; depth++ {
		n = n.children[k.Half(depth)]
	}
	if n != nil {
		if i, ok := find(n.entries, k); ok {
			return n.entries[i], true
		}
	}
	return Entry{}, false
}

// find returns where a key is, or would be, and whether it is there.
func find(entries []Entry, k wire.Key) (int, bool) {
	return slices.BinarySearchFunc(entries, k, func(e Entry, k wire.Key) int { return bytes.Compare(e.Key[:], k[:]) })
}

// Put returns the tree with an entry, instead of the one with the same key.
func (t Tree) Put(e Entry) Tree { return Tree{t.root.put(e, 0)} }

// Remove returns the tree without the entry with a key.
func (t Tree) Remove(k wire.Key) Tree {
	if _, ok := t.Get(k); !ok {
		return t
	}
	return Tree{t.root.remove(k, 0)}
}

func (n *node) put(e Entry, depth uint8) *node {
	if n == nil {
		return leaf([]Entry{e})
	}
	if n.children != nil {
		children := *n.children
		half := e.Key.Half(depth)
		children[half] = children[half].put(e, depth+1)
		return inner(children)
	}
	i, ok := find(n.entries, e.Key)
	entries := slices.Clone(n.entries)
	if ok {
		entries[i] = e
	} else {
		entries = slices.Insert(entries, i, e)
	}
	return grow(entries, depth)
}

// grow makes a node of entries, which are in order; at the last depth there is but one.
func grow(entries []Entry, depth uint8) *node {
	if len(entries) <= wire.MaxItems {
		return leaf(entries)
	}
	var children [16]*node
	for from := 0; from < len(entries); {
		half, to := entries[from].Key.Half(depth), from+1
		for to < len(entries) && entries[to].Key.Half(depth) == half {
			to++
		}
		children[half] = grow(slices.Clip(entries[from:to]), depth+1)
		from = to
	}
	return inner(children)
}

func (n *node) remove(k wire.Key, depth uint8) *node {
	if n.children == nil {
		i, _ := find(n.entries, k)
		return leaf(slices.Delete(slices.Clone(n.entries), i, i+1))
	}
	children := *n.children
	half := k.Half(depth)
	children[half] = children[half].remove(k, depth+1)
	if less := inner(children); less.count > wire.MaxItems {
		return less
	}
	return leaf(appendAll(nil, &node{children: &children}))
}

// appendAll appends all entries below a node, in order.
func appendAll(entries []Entry, n *node) []Entry {
	if n == nil {
		return entries
	}
	if n.children == nil {
		return append(entries, n.entries...)
	}
	for _, c := range n.children {
		entries = appendAll(entries, c)
	}
	return entries
}

func leaf(entries []Entry) *node {
	if len(entries) == 0 {
		return nil
	}
	keys, stamps := make([]wire.Key, len(entries)), make([]wire.Stamp, len(entries))
	for i, e := range entries {
		keys[i], stamps[i] = e.Key, e.Stamp
	}
	return &node{hash: wire.LeafHash(keys, stamps), count: len(entries), entries: entries}
}

func inner(children [16]*node) *node {
	n := &node{children: &children}
	for _, c := range children {
		n.count += c.len()
	}
	n.hash = wire.NodeHash(sums(&children))
	return n
}

func sums(children *[16]*node) (hashes [16]wire.Hash) {
	for i, c := range children {
		hashes[i] = c.sum()
	}
	return hashes
}
