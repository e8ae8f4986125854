package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// A node id is a number of the index shifted by three bits, and what of that
// number is meant. Numbers of the index start at 16, so ids below 128 are free
// for the few fixed nodes. Inode numbers are node ids.
const (
	rootNode  = fuse.FUSE_ROOT_ID
	pagesNode = 2  // the directory .dmfs
	firstPage = 32 // .dmfs/<page>, in the order of their names
	fixed     = 128
)

type kind uint64

const (
	contentKind   kind = iota // number: Entry.Inode
	signatureKind             // number: Entry.Seq
	dirKind                   // number: Index.Dirs
	draftKind                 // number: counted by this process
)

func nodeID(k kind, number uint64) uint64 { return number<<3 | uint64(k) }

// split is the inverse of nodeID; the ok result is false for a fixed node.
func split(id uint64) (k kind, number uint64, ok bool) {
	return kind(id & 7), id >> 3, id >= fixed
}
