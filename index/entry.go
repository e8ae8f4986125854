package index

import (
	"slices"
	"time"

	"dmfs/trust"
)

// An Entry is what the index holds for one name.
type Entry struct {
	Name   trust.Name
	Record trust.Record // without content; zero when the version is withheld
	Seq    uint64       // the change that made this version the held one
	Inode  uint64       // the change at which this content appeared: a file that is signed again keeps it
	Born   uint64       // the change at which the name was first seen, for ever the same
	Size   int64        // bytes
	Origin string       // who brought it: "mount" or a peer's id, at most 128 bytes
	Since  time.Time    // when, by this clock
	Shown  bool         // a file: not a tombstone, not withheld
}

// Stored is a version whose content is here, held or superseded.
type Stored struct {
	Name      trust.Name
	Inode     uint64
	Digest    trust.Digest
	Size      int64
	Version   trust.Version
	Signature []byte // shared, read only
}

// A file is all that the index knows of one name. It is never modified: a change makes another.
type file struct {
	Entry
	held   *change
	past   []*change    // superseded and still stored, oldest first
	record trust.Record // proved by the policy, perhaps past its lifetime; zero when not admitted
}

// newFile puts a file together from the held change and what the policy says of it.
func newFile(held *change, r trust.Record, past []*change) *file {
	f := &file{held: held, past: past, record: r.WithoutContent()}
	f.Entry = Entry{
		Name: held.name, Seq: held.seq, Inode: held.inode, Born: held.born,
		Size: held.size, Origin: held.origin, Since: held.since,
	}
	if !held.withheld {
		f.Record = f.record
		f.Shown = !r.IsZero() && !r.Deleted()
	}
	return f
}

// succeed returns the file after another change.
func (f *file) succeed(c *change, r trust.Record) *file {
	return newFile(c, r, append(slices.Clip(f.past), f.held))
}

// history is how many superseded versions of a name stay although nobody has them open.
const history = 2

// trim returns the file without the superseded versions that nothing needs, and those. A version
// is needed while it is recent, pinned, or the inode of one that is needed.
func (f *file) trim(pinned func(seq uint64) bool) (*file, []*change) {
	needed := map[uint64]bool{f.held.inode: true}
	var kept, dropped []*change
	for i, c := range slices.Backward(f.past) {
		if len(f.past)-i <= history || pinned(c.seq) || needed[c.seq] {
			needed[c.inode] = true
			kept = append(kept, c)
		} else {
			dropped = append(dropped, c)
		}
	}
	if len(dropped) == 0 {
		return f, nil
	}
	slices.Reverse(kept)
	return newFile(f.held, f.record, kept), dropped
}
