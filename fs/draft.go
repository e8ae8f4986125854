package fs

import (
	"slices"
	"sync"
	"time"

	"dmfs/trust"
)

// draft is one half of a pair on its way to become a record, or a temporary
// file of a tool that will rename it onto one.
type draft struct {
	node    uint64 // its inode
	process int    // thread group that may see it
	uid     uint32
	since   time.Time

	mu      sync.Mutex
	path    string // as created or last renamed to
	data    []byte
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

// write stores p at off. Bounds are the caller's: off+len(p) is at most
// trust.MaxContent.
func (d *draft) write(p []byte, off int) {
	d.resize(max(len(d.data), off+len(p)))
	copy(d.data[off:], p)
}

// resize sets the length, filling with zeros, and makes the bytes writable.
func (d *draft) resize(size int) {
	d.touched, d.dirty, d.offered, d.blamed = true, true, false, false
	if d.frozen {
		d.data, d.frozen = append(make([]byte, 0, size), d.data[:min(size, len(d.data))]...), false
	}
	if size <= len(d.data) {
		d.data = d.data[:size]
		return
	}
	old := len(d.data)
	d.data = slices.Grow(d.data, size-old)[:size]
	clear(d.data[old:])
}

// freeze returns the bytes as they are; later writes do not change them.
func (d *draft) freeze() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.frozen = true
	return d.data
}

// truncate starts again from nothing, as open(2) with O_TRUNC does. It is not a write: a
// shell empties a file and closes a duplicate of its descriptor before the
// first byte. It returns how many bytes are free now.
func (d *draft) truncate() (freed int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	freed = len(d.data)
	d.data, d.frozen = nil, false
	d.touched, d.empty, d.dirty, d.offered, d.blamed = true, true, false, false, false
	return freed
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
// same name, written by process, can tell: it was closed, and its writer is the
// same process or has ended. A living writer may yet bring the matching half.
func (d *draft) definite(process int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.offered && !d.blamed && !d.settled && (d.process == process || !alive(d.process))
}

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
