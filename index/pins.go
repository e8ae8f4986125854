package index

// Pin keeps a version stored, found by Seq or Inode, until Unpin is called as often as Pin was; pins
// do not outlive the process. It reports false when the version is not stored, and then holds none.
func (ix *Index) Pin(seq uint64) (Stored, bool) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	c, ok := ix.rows[seq]
	if !ok || c.absent {
		return Stored{}, false
	}
	ix.pins[seq]++
	return c.stored(), true
}

// Unpin ends one Pin. It does not wait: a version that nothing needs any more is dropped soon after.
func (ix *Index) Unpin(seq uint64) {
	if !ix.unpin(seq) {
		return
	}
	select {
	case ix.sweep <- struct{}{}:
	default: // the writer has been told already
	}
}

// unpin reports whether the version may now be droppable.
func (ix *Index) unpin(seq uint64) bool {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.pins[seq] == 0 {
		panic("index: Unpin without Pin")
	}
	if ix.pins[seq]--; ix.pins[seq] > 0 {
		return false
	}
	delete(ix.pins, seq)
	n := ix.rows[seq].name
	if ix.files[n].Seq == seq {
		return false
	}
	ix.loose[n] = true
	return true
}
