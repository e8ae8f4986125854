package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Every bucket and fixed key of the file; package comment: what is in them.
var (
	bucketMeta     = []byte("meta")
	bucketChanges  = []byte("changes")
	bucketContents = []byte("contents")
	bucketDirs     = []byte("dirs")
	bucketMembers  = []byte("members")

	keyFormat    = []byte("format")
	keyDelivered = []byte("delivered")
	keyBytes     = []byte("bytes") // of a content that has a bucket of its own
)

const (
	format      = 1
	firstNumber = 16 // numbers below are the mount's fixed nodes
)

// boltOptions are explained in the package comment.
var boltOptions = bbolt.Options{
	Timeout:        time.Second,
	FreelistType:   bbolt.FreelistMapType,
	NoFreelistSync: true,
	NoStatistics:   true,
}

// openFile opens the file at path, made when there is none.
func openFile(path string) (*bbolt.DB, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createFile(path); err != nil {
			return nil, err
		}
	}
	db, err := bbolt.Open(path, 0o600, &boltOptions)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %v", ErrFormat, err)
	}
	return db, err
}

// createFile makes an empty index beside path and links it there once it is whole and on disk, so
// that a crash leaves no half-made file under the real name, and no lasting index without a name.
func createFile(path string) error {
	dir := filepath.Dir(path)
	blank, err := os.CreateTemp(dir, filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer os.Remove(blank.Name())
	if err := blank.Close(); err != nil {
		return err
	}
	if err := initFile(blank.Name()); err != nil {
		return err
	}
	if err := os.Link(blank.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// initFile makes the buckets and writes the format number.
func initFile(path string) error {
	db, err := bbolt.Open(path, 0o600, &boltOptions)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketChanges, bucketContents, bucketDirs, bucketMembers} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, numberKey(format))
	})
	return errors.Join(err, db.Close())
}

// syncDir makes a new name in a directory lasting.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkFormat refuses a file that something else wrote.
func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return ErrFormat
	}
	number, ok := parseNumber(meta.Get(keyFormat))
	if !ok {
		return ErrFormat
	}
	if number != format {
		return fmt.Errorf("%w: format %d, this program knows %d", ErrFormat, number, format)
	}
	for _, name := range [][]byte{bucketChanges, bucketContents, bucketDirs, bucketMembers} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: bucket %s is missing", ErrCorrupt, name)
		}
	}
	return nil
}

// numberKey writes a number so that keys sort as numbers do.
func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// parseNumber reads what numberKey wrote.
func parseNumber(b []byte) (uint64, bool) {
	if len(b) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}
