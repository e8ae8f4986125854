package index

import (
	"slices"

	"dmfs/trust"

	"go.etcd.io/bbolt"
)

// Delivered notes that the mount shows all changes up to seq. The note is kept in memory and goes
// to disk with the next transaction and with Close, so it costs none of its own; after a crash it may
// be a little behind.
func (ix *Index) Delivered(seq uint64) { ix.delivered.Store(seq) }

// LastDelivered returns the note, of this process or of the one before it.
func (ix *Index) LastDelivered() uint64 { return ix.delivered.Load() }

// ShownAt returns what was shown of a name when all changes up to seq were delivered and none after
// it, as far as it is still stored. Its Record is zero when the policy no longer admits it.
func (ix *Index) ShownAt(n trust.Name, seq uint64) (Entry, bool) {
	ix.mu.RLock()
	f, ok := ix.files[n]
	ix.mu.RUnlock()
	if !ok {
		return Entry{}, false
	}
	for _, c := range slices.Backward(f.changes()) {
		if c.seq > seq {
			continue
		}
		e := newFile(c, ix.prover().prove(c), nil).Entry
		return e, e.Shown
	}
	return Entry{}, false
}

// storeDelivered writes the note if it is news.
func (ix *Index) storeDelivered(meta *bbolt.Bucket) error {
	seq := ix.delivered.Load()
	if old, _ := parseNumber(meta.Get(keyDelivered)); old == seq {
		return nil
	}
	return meta.Put(keyDelivered, numberKey(seq))
}

// readDelivered takes the note of the process before.
func (ix *Index) readDelivered(tx *bbolt.Tx) {
	seq, _ := parseNumber(tx.Bucket(bucketMeta).Get(keyDelivered))
	ix.delivered.Store(seq)
}
