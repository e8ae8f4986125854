package fs

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// A node id is a number shifted by three bits, and what it is the number of. Numbers of the
// index start at 16, so ids below 128 are free for the few fixed nodes. Inode numbers are node ids.
const (
	rootNode    = fuse.FUSE_ROOT_ID
	pagesNode   = 2  // the directory .dmfs
	historyNode = 3  // .dmfs/history
	firstPage   = 32 // .dmfs/<page>, in the order of Options.Pages
	fixed       = 128
)

type kind uint64

const (
	contentKind       kind = iota // number: Entry.Inode
	signatureKind                 // number: Entry.Seq
	dirKind                       // number: FS.dirNumber
	draftKind                     // number: counted by this process
	historyKind                   // below .dmfs/history; number: of the directory, or Entry.Born
	keptContentKind               // there; number: Stored.Seq
	keptSignatureKind             // likewise
	linkKind                      // number: of the link (link.go)
)

func nodeID(k kind, number uint64) uint64 { return number<<3 | uint64(k) }

// split is the inverse of nodeID; the ok result is false for a fixed node.
func split(id uint64) (k kind, number uint64, ok bool) {
	return kind(id & 7), id >> 3, id >= fixed
}

func (k kind) isSignature() bool { return k == signatureKind || k == keptSignatureKind }

// isFile reports whether it is a version's: its number is one that [index.Index.Pin] takes.
func (k kind) isFile() bool { return k.isSignature() || k == contentKind || k == keptContentKind }

// reserved reports whether a node is the hidden directory, something in it, or a
// link: nobody can change it.
func reserved(id uint64) bool {
	k, _, ok := split(id)
	if !ok {
		return id != rootNode
	}
	return k >= historyKind
}

// keepName is how long the kernel may keep a name: for ever when it is changed only
// by deliveries, which the kernel carries out. A signature's name changes with the
// content's rename, of which the kernel cannot know that it concerns two names.
func keepName(id uint64) time.Duration {
	if k, _, ok := split(id); ok && (k == contentKind || k == dirKind) {
		return forever
	}
	return 0
}
