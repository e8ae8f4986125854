package fs

import (
	"slices"
	"sync"
	"time"

	"dmfs/trust"
)

// draft is one half of a pair on its way to become a record, or a temporary
// file of a tool that will rename it onto one. The path, the handles and where
// it is listed change under the lock of drafts too (see there).
type draft struct {
	node    uint64 // its inode
	process int    // thread group that may see it
	uid     uint32 // whose limits it counts for
	booked  int    // bytes counted for it; guarded by the lock of drafts

	sizing sync.Mutex // comes before all others: what is booked and what is in data change as one

	mu      sync.Mutex
	path    string // as created or last renamed to
	inode   uint64 // the number that it shows: that of the version that it will replace, which vim wants to see
	data    []byte
	edit    uint64    // counts the changes of data
	used    time.Time // when it was last written, moved or closed
	handles int
	frozen  bool // data is being judged: the next write copies it first
	touched bool // its bytes are no longer those of a verified version
	dirty   bool // written since the last close
	empty   bool // made or emptied on purpose: also without a write it is a half
	offered bool // closed since the last write
	blamed  bool // a verdict has named it once as not matching
	settled bool // no candidate: part of a record by now, or refused
	gone    bool // unlinked; its open handles write into nothing
}

// half is what a draft held at one moment. Later writes do not change it.
type half struct {
	*draft
	bytes []byte
	at    uint64 // the edit
}

// freeze returns the bytes as they are.
func (d *draft) freeze() half {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.frozen = true
	return half{d, d.data, d.edit}
}

// write stores p at off. Bounds are the caller's: off+len(p) is at most
// trust.MaxContent and booked.
func (d *draft) write(p []byte, off int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grow(max(len(d.data), off+len(p)))
	copy(d.data[off:], p)
}

// resize cuts the bytes or adds zeros.
func (d *draft) resize(size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grow(size)
}

// grow sets the length, filling with zeros, and makes the bytes writable. What is cut off
// is not booked any more, so its memory must not stay behind. It needs the lock.
func (d *draft) grow(size int) {
	d.changed()
	d.dirty = true
	if d.frozen || size < len(d.data) {
		d.data, d.frozen = append(make([]byte, 0, size), d.data[:min(size, len(d.data))]...), false
	}
	old := len(d.data)
	d.data = slices.Grow(d.data, size-old)[:size]
	clear(d.data[old:])
}

// truncate starts again from nothing, as open(2) with O_TRUNC does. It is not a write: a
// shell empties a file and closes a duplicate of its descriptor before the
// first byte.
func (d *draft) truncate() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed()
	d.data, d.frozen = nil, false
	d.empty, d.dirty = true, false
}

// changed needs the lock.
func (d *draft) changed() {
	d.edit++
	d.used = time.Now()
	d.touched, d.offered, d.blamed = true, false, false
}

// offer takes note that a handle was closed and says whether that asks for a
// verdict, and whether bytes were written, so that the verdict may blame them.
func (d *draft) offer() (judge, written bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	written = d.dirty
	d.dirty, d.offered = false, true
	return !d.gone && (written || d.empty && !d.settled), written
}

// definite reports whether the half is complete as far as another half of the
// same name, written by process, can tell: it has bytes, was closed, and its writer is the
// same process or has ended. A living writer may yet bring the matching half.
func (d *draft) definite(process int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waits() && (d.process == process || !alive(d.process))
}

// waits reports whether there is a half whose writer was told of success so far. It needs the lock.
func (d *draft) waits() bool { return d.offered && len(d.data) > 0 && !d.blamed && !d.settled }

func (d *draft) location() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.path
}

// blame notes that a verdict has named the draft, which it does once.
func (d *draft) blame() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blamed = true
}

// limit refuses a size that no half may have.
func limit(size uint64) error {
	if size > trust.MaxContent {
		return trust.ErrTooLarge
	}
	return nil
}
