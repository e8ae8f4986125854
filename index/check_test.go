package index

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/trust"
	"dmfs/trust/trusttest"

	"go.etcd.io/bbolt"
)

func TestCheckFinds(t *testing.T) {
	signer := trusttest.Signer(1)
	p := trusttest.Policy(t, signer, "d/f", "g")
	big := strings.Repeat("big", 1<<12)
	small, large := trust.DigestOf([]byte("small")), trust.DigestOf([]byte(big))
	// d is 16, d/f is 17, g is 18.
	edit := func(seq uint64, fn func(*change)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			changes := tx.Bucket(bucketChanges)
			c, err := decodeChange(seq, changes.Get(numberKey(seq)))
			if err != nil {
				return err
			}
			fn(c)
			return changes.Put(numberKey(c.seq), c.encode())
		}
	}
	put := func(bucket, k, v []byte) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(k, v) }
	}
	for _, test := range []struct {
		name  string
		opens bool // only the contents are at fault, which Open does not read
		harm  func(*bbolt.Tx) error
		fault string
	}{
		{"row cut", false, put(bucketChanges, numberKey(17), []byte{1, 0}), "change 17: row is malformed"},
		{"row with a key of 7 bytes", false, put(bucketChanges, numberKey(17)[1:], []byte{1, 0}), "key is malformed"},
		{"row below 16", false, edit(17, func(c *change) { c.seq, c.inode, c.born = 15, 15, 15 }), "change 15"},
		{"inode of another name", false, edit(18, func(c *change) { c.inode, c.born = 17, 17 }), "inode 17 is not of the same"},
		{"inode that is not there", false, func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketChanges).Put(numberKey(30), edited(tx, 18, func(c *change) { c.inode = 20 }))
		}, "inode 20 is not of the same"},
		{"born twice", false, func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketChanges).Put(numberKey(30), edited(tx, 18, func(c *change) { c.inode, c.born = 30, 19 }))
		}, "was born at 18 and at 19"},
		{"two sizes of a content", false, func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketChanges).Put(numberKey(30), edited(tx, 18, func(c *change) { c.size++ }))
		}, "elsewhere"},
		{"directory with the number of a change", false, put(bucketDirs, []byte("d"), numberKey(17)), "id is malformed or a change"},
		{"directory that is no name", false, put(bucketDirs, []byte("/"), numberKey(99)), "directory: "},
		{"member cut", false, put(bucketMembers, make([]byte, 32), make([]byte, 7)), "row is malformed"},
		{"member without a certificate", false, put(bucketMembers, make([]byte, 32), make([]byte, 8)), "the certificate is damaged"},
		{"member with another's certificate", false, put(bucketMembers, make([]byte, 32), append(make([]byte, 8), newPublisher(t).chain.DER()...)), "the certificate is of"},
		{"bucket gone", false, func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketDirs) }, "bucket dirs is missing"},
		{"size", true, edit(18, func(c *change) { c.size++ }), "bytes, not"},
		{"content changed", true, put(bucketContents, small[:], []byte("smell")), "has another digest"},
		{"large content changed", true, func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketContents).Bucket(large[:]).Put(keyBytes, []byte(strings.ToUpper(big)))
		}, "has another digest"},
		{"content gone", true, func(tx *bbolt.Tx) error { return tx.Bucket(bucketContents).Delete(small[:]) }, "is missing"},
		{"large content gone", true, func(tx *bbolt.Tx) error { return tx.Bucket(bucketContents).DeleteBucket(large[:]) }, "is missing"},
		{"content too many", true, put(bucketContents, make([]byte, 64), []byte("orphan")), "belongs to no version"},
		{"content with a short key", true, put(bucketContents, []byte("k"), []byte("orphan")), "belongs to no version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			ix, err := Open(path, p)
			if err != nil {
				t.Fatal(err)
			}
			defer ix.Close()
			_, err = ix.Apply("", trusttest.Record(t, p, signer, "d/f", []byte("small"), 1), trusttest.Record(t, p, signer, "g", []byte(big), 1))
			if err := errors.Join(err, ix.Check()); err != nil {
				t.Fatal(err)
			}
			if err := ix.db.Update(test.harm); err != nil {
				t.Fatal(err)
			}
			if err := ix.Check(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("check: %v", err)
			}
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := Open(path, p)
			if test.opens && err == nil {
				err = again.Close()
			} else if errors.Is(err, ErrCorrupt) {
				return
			}
			if err != nil || !test.opens {
				t.Errorf("open: %v", err)
			}
		})
	}
}

// A batch that fails gives back what it was about to drop.
func TestUndo(t *testing.T) {
	signer := trusttest.Signer(1)
	p := trusttest.Policy(t, signer, "f")
	ix, err := Open(filepath.Join(t.TempDir(), "index"), p)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	for v := trust.Version(1); v < 5; v++ {
		if _, err := ix.Apply("", trusttest.Record(t, p, signer, "f", []byte{byte(v)}, v)); err != nil {
			t.Fatal(err)
		}
		ix.Pin(16)
	}
	for range 4 {
		ix.unpin(16) // without telling the writer
	}
	b := ix.newBatch()
	b.trim()
	if _, ok := ix.Pin(16); ok {
		t.Error("what is being dropped can be pinned")
	}
	b.undo()
	if _, ok := ix.Stored(16); !ok {
		t.Error("what was not dropped is gone")
	}
	if _, err := ix.Apply(""); err != nil {
		t.Fatal(err)
	}
	if _, ok := ix.Stored(16); ok {
		t.Error("it is not dropped later")
	}
	if err := ix.Check(); err != nil {
		t.Error(err)
	}
}

// edited is a row with a difference, to be stored elsewhere.
func edited(tx *bbolt.Tx, seq uint64, fn func(*change)) []byte {
	c, err := decodeChange(seq, tx.Bucket(bucketChanges).Get(numberKey(seq)))
	if err != nil {
		panic(err)
	}
	fn(c)
	return c.encode()
}
