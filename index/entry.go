package index

import (
	"slices"
	"time"

	"dmfs/trust"
)

// An Entry is what the index holds for one name.
type Entry struct {
	Name   trust.Name
	Record trust.Record // without content; zero when the policy does not admit the version
	Seq    uint64       // the change that made this version the held one
	Inode  uint64       // the change at which this content appeared: a file that is signed again keeps it
	Born   uint64       // the change at which the name was first seen, for ever the same
	Size   int64        // bytes; 0 when the content is not here, because it was over when it came
	Origin string       // who brought it: "mount" or a peer's id, at most 128 bytes
	Since  time.Time    // when, by this clock
	Shown  bool         // a file: not a tombstone, not withheld

	// Expired: the lifetime is over, for ever. The version is not shown, and perhaps its content is not
	// here, but it supersedes, here and wherever its Record comes to be known.
	Expired bool
}

// Stored is a version whose content is here, held or superseded.
type Stored struct {
	Name      trust.Name
	Seq       uint64
	Inode     uint64
	Digest    trust.Digest
	Size      int64
	Version   trust.Version
	Signature []byte // shared, read only
}

// A file is all that the index knows of one name. It is never modified: a change makes another.
type file struct {
	Entry
	held     *change
	past     []*change    // superseded and still stored, oldest first
	standing trust.Record // see proof
}

// A proof is what the policy says of a version.
type proof struct {
	record   trust.Record // zero: the policy does not admit it
	standing trust.Record // what stands in the way of older ones: record, or what was over before its certificate was
	over     bool         // its lifetime is, for ever
}

// newFile puts a file together from the held change and what the policy says of it.
func newFile(held *change, p proof, past []*change) *file {
	f := &file{held: held, past: past, standing: p.standing.WithoutContent()}
	f.Entry = Entry{
		Name: held.name, Seq: held.seq, Inode: held.inode, Born: held.born,
		Size: held.size, Origin: held.origin, Since: held.since,
		Shown: !held.withheld && !held.deleted, Expired: held.expired,
	}
	if !held.withheld || held.expired {
		f.Record = p.record.WithoutContent()
	}
	return f
}

// succeed returns the file after another change.
func (f *file) succeed(c *change, p proof) *file {
	return newFile(c, p, f.changes())
}

// changes returns the stored changes of the name, oldest first; the last one is held.
func (f *file) changes() []*change { return append(slices.Clip(f.past), f.held) }
