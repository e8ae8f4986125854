package index

import (
	"fmt"
	"maps"

	"go.etcd.io/bbolt"
)

// commit stores and installs the batch, or leaves everything as it was.
func (b *batch) commit() error {
	b.trim()
	if err := b.store(); err != nil {
		b.undo()
		return fmt.Errorf("write index: %w", err)
	}
	b.install()
	return nil
}

// undo gives back what trim took.
func (b *batch) undo() {
	b.ix.mu.Lock()
	defer b.ix.mu.Unlock()
	maps.Copy(b.ix.loose, b.loose)
	for _, c := range b.dropped {
		if c.seq <= b.ix.last {
			b.ix.rows[c.seq] = c
		}
	}
}

// store writes the batch in one transaction, or nothing.
func (b *batch) store() error {
	if len(b.added)+len(b.dropped)+len(b.ids)+len(b.learned) == 0 {
		return nil
	}
	return b.ix.db.Update(func(tx *bbolt.Tx) error {
		if err := b.storeChanges(tx.Bucket(bucketChanges)); err != nil {
			return err
		}
		if err := b.storeContents(tx.Bucket(bucketContents)); err != nil {
			return err
		}
		if err := b.storeMembers(tx.Bucket(bucketMembers)); err != nil {
			return err
		}
		if err := b.ix.storeDelivered(tx.Bucket(bucketMeta)); err != nil {
			return err
		}
		return b.storeDirs(tx.Bucket(bucketDirs))
	})
}

func (b *batch) storeChanges(changes *bbolt.Bucket) error {
	for _, c := range b.added {
		if err := changes.Put(numberKey(c.seq), c.encode()); err != nil {
			return err
		}
	}
	for _, c := range b.dropped {
		if err := changes.Delete(numberKey(c.seq)); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) storeContents(contents *bbolt.Bucket) error {
	for d, u := range b.uses {
		var err error
		switch before := b.ix.uses[d].rows; {
		case before == 0 && u.rows > 0:
			err = putContent(contents, d, b.contents[d])
		case before > 0 && u.rows == 0:
			err = deleteContent(contents, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) storeDirs(dirs *bbolt.Bucket) error {
	for dir, id := range b.ids {
		if err := dirs.Put([]byte(dir), numberKey(id)); err != nil {
			return err
		}
	}
	return nil
}

// install makes the stored batch what the index shows, and wakes the followers.
func (b *batch) install() {
	ix := b.ix
	ix.last = b.last
	maps.Copy(ix.ids, b.ids)
	for n, f := range b.files {
		ix.ends.set(n, f.end(b.policy, b.now))
	}
	if b.ledger.base == nil {
		ix.ledger = b.ledger
	} else {
		ix.ledger.merge(b.ledger)
	}
	for d, u := range b.uses {
		if u.rows == 0 {
			delete(ix.uses, d)
		} else {
			ix.uses[d] = u
		}
	}
	close(b.show())
}

// show is the part of install that readers must not see half of.
func (b *batch) show() (news chan struct{}) {
	ix := b.ix
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for _, c := range b.added {
		ix.rows[c.seq] = c
		ix.log = append(ix.log, logged{c.seq, c.name})
	}
	for _, c := range b.dropped {
		delete(ix.rows, c.seq)
	}
	maps.Copy(ix.files, b.files)
	ix.policy, ix.members, ix.sorted = b.policy, b.members, nil
	if b.dirs != nil {
		ix.dirs = b.dirs
	}
	ix.compact()
	news, ix.news = ix.news, make(chan struct{})
	return news
}
