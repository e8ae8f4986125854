package index

import (
	"errors"
	"fmt"

	"dmfs/trust"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// maxFaults is how many faults Check reports.
const maxFaults = 16

// Check reads the whole file and proves that it is sound: bbolt's pages, every row, that rows agree,
// that each version's content is stored and has its digest and size, and that no other content is.
// Apply waits meanwhile. Errors wrap ErrCorrupt, at most 16 of them joined.
func (ix *Index) Check() error {
	// A writing transaction, though it writes nothing: bbolt's check must not run beside another one.
	tx, err := ix.db.Begin(true)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return closed("check")
	}
	if err != nil {
		return fmt.Errorf("check index: %w", err)
	}
	faults := checkPages(tx)
	if len(faults) == 0 {
		faults = checkRows(tx)
	}
	return errors.Join(append(faults[:min(len(faults), maxFaults)], tx.Rollback())...)
}

// checkPages proves bbolt's own structure.
func checkPages(tx *bbolt.Tx) (faults []error) {
	for err := range tx.Check() {
		faults = append(faults, fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	return faults
}

// checkRows proves ours.
func checkRows(tx *bbolt.Tx) (faults []error) {
	t, err := readTable(tx)
	if err != nil {
		return []error{err}
	}
	contents := tx.Bucket(bucketContents)
	for d, u := range t.uses {
		if err := checkContent(getContent(contents, d), d, u); err != nil {
			faults = append(faults, fmt.Errorf("%w: %w", ErrCorrupt, err))
		}
	}
	_ = contents.ForEach(func(k, _ []byte) error {
		if len(k) != len(trust.Digest{}) || t.uses[trust.Digest(k)].rows == 0 {
			faults = append(faults, fmt.Errorf("%w: content %.16x… belongs to no version", ErrCorrupt, k))
		}
		return nil
	})
	return faults
}

// checkContent proves one content.
func checkContent(content []byte, d trust.Digest, u use) error {
	switch {
	case content == nil:
		return fmt.Errorf("content %.16s… is missing", d)
	case int64(len(content)) != u.size:
		return fmt.Errorf("content %.16s… has %d bytes, not %d", d, len(content), u.size)
	case trust.DigestOf(content) != d:
		return fmt.Errorf("content %.16s… has another digest", d)
	}
	return nil
}
