package index

import (
	"errors"
	"fmt"
	"io"

	"dmfs/trust"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// small is the length up to which contents share pages; the package comment says why.
const small = 4096

// putContent stores a content that is not stored.
func putContent(contents *bbolt.Bucket, d trust.Digest, content []byte) error {
	if len(content) <= small {
		return contents.Put(d[:], content)
	}
	own, err := contents.CreateBucket(d[:])
	if err != nil {
		return err
	}
	return own.Put(keyBytes, content)
}

// deleteContent deletes a content that is stored.
func deleteContent(contents *bbolt.Bucket, d trust.Digest) error {
	if contents.Bucket(d[:]) != nil {
		return contents.DeleteBucket(d[:])
	}
	return contents.Delete(d[:])
}

// getContent returns a content, valid until the transaction ends, or nil. An empty one is not nil.
func getContent(contents *bbolt.Bucket, d trust.Digest) []byte {
	if content := contents.Get(d[:]); content != nil {
		return content
	}
	own := contents.Bucket(d[:])
	if own == nil {
		return nil
	}
	return own.Get(keyBytes)
}

// view shows fn a content, which is valid only during the call.
func (ix *Index) view(d trust.Digest, fn func(content []byte)) error {
	err := ix.db.View(func(tx *bbolt.Tx) error {
		content := getContent(tx.Bucket(bucketContents), d)
		if content == nil {
			return fmt.Errorf("%.16s…: %w", d, ErrNoContent)
		}
		fn(content)
		return nil
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return closed("read content")
	}
	return err
}

// ReadAt reads from the content with this digest as an [io.ReaderAt] does. Error: ErrNoContent.
func (ix *Index) ReadAt(d trust.Digest, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read content: negative offset")
	}
	err = ix.view(d, func(content []byte) {
		if off < int64(len(content)) {
			n = copy(p, content[off:])
		}
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Content returns a copy of the content with this digest. Error: ErrNoContent.
func (ix *Index) Content(d trust.Digest) (content []byte, err error) {
	err = ix.view(d, func(c []byte) { content = append([]byte{}, c...) })
	return content, err
}
