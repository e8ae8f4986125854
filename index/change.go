package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"dmfs/trust"
)

// A change is one row of the bucket changes: a name and the version that it got at seq. The newest
// change of a name is the one that is held. A change is never modified.
type change struct {
	seq       uint64 // the key, not part of the row
	withheld  bool   // the policy does not admit the version, or it is over
	expired   bool   // its lifetime was seen to be over, which is for ever; withheld too
	deleted   bool   // a tombstone
	absent    bool   // its content is not stored: it was over when it came
	inode     uint64
	born      uint64
	version   trust.Version
	since     time.Time
	size      int64
	digest    trust.Digest
	name      trust.Name
	origin    string
	signature []byte
}

const (
	rowFormat = 1

	flagWithheld = 1
	flagExpired  = 2
	flagDeleted  = 4
	flagAbsent   = 8

	// offsets of the fixed part of a row
	rowInode   = 2
	rowBorn    = 10
	rowVersion = 18
	rowSince   = 26
	rowSize    = 34
	rowDigest  = 38
	rowFixed   = 102

	maxOrigin = 128
)

// encode writes the row; the package comment has the layout.
func (c *change) encode() []byte {
	b := make([]byte, rowFixed, rowFixed+6+len(c.name.String())+len(c.origin)+len(c.signature))
	b[0] = rowFormat
	b[1] = c.flags()
	binary.BigEndian.PutUint64(b[rowInode:], c.inode)
	binary.BigEndian.PutUint64(b[rowBorn:], c.born)
	binary.BigEndian.PutUint64(b[rowVersion:], uint64(c.version))
	binary.BigEndian.PutUint64(b[rowSince:], uint64(c.since.UnixNano()))
	binary.BigEndian.PutUint32(b[rowSize:], uint32(c.size))
	copy(b[rowDigest:], c.digest[:])
	b = appendField(b, c.name.String())
	b = appendField(b, c.origin)
	return appendField(b, c.signature)
}

// flags returns the byte of flags.
func (c *change) flags() (b byte) {
	if c.withheld {
		b |= flagWithheld
	}
	if c.expired {
		b |= flagExpired
	}
	if c.deleted {
		b |= flagDeleted
	}
	if c.absent {
		b |= flagAbsent
	}
	return b
}

// appendField writes a length of two bytes and the field.
func appendField[T string | []byte](b []byte, field T) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(field))), field...)
}

var errRow = errors.New("row is malformed")

// decodeChange reads a row; it copies all that it keeps. What it accepts, encode writes again.
func decodeChange(seq uint64, b []byte) (*change, error) {
	if len(b) < rowFixed || b[0] != rowFormat || b[1] > flagWithheld|flagExpired|flagDeleted|flagAbsent {
		return nil, errRow
	}
	c := &change{
		seq:      seq,
		withheld: b[1]&flagWithheld != 0,
		expired:  b[1]&flagExpired != 0,
		deleted:  b[1]&flagDeleted != 0,
		absent:   b[1]&flagAbsent != 0,
		inode:    binary.BigEndian.Uint64(b[rowInode:]),
		born:     binary.BigEndian.Uint64(b[rowBorn:]),
		version:  trust.Version(binary.BigEndian.Uint64(b[rowVersion:])),
		since:    time.Unix(0, int64(binary.BigEndian.Uint64(b[rowSince:]))),
		size:     int64(binary.BigEndian.Uint32(b[rowSize:])),
		digest:   trust.Digest(b[rowDigest:rowFixed]),
	}
	if err := c.decodeFields(b[rowFixed:]); err != nil {
		return nil, err
	}
	return c, c.plausible()
}

// decodeFields reads the fields of variable length.
func (c *change) decodeFields(b []byte) error {
	name, b, ok1 := cutField(b, trust.MaxName)
	origin, b, ok2 := cutField(b, maxOrigin)
	signature, b, ok3 := cutField(b, trust.MaxSignature)
	if !ok1 || !ok2 || !ok3 || len(b) > 0 {
		return errRow
	}
	c.origin, c.signature = string(origin), append([]byte(nil), signature...)
	var err error
	c.name, err = trust.ParseName(string(name))
	return err
}

// cutField splits the first field from the rest.
func cutField(b []byte, limit int) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n > limit || n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// plausible refuses numbers that Apply never writes.
func (c *change) plausible() error {
	switch {
	case c.born < firstNumber || c.inode < c.born || c.seq < c.inode:
		return fmt.Errorf("%w: born %d, inode %d, seq %d", errRow, c.born, c.inode, c.seq)
	case c.version <= 0:
		return fmt.Errorf("%w: version %d", errRow, c.version)
	case c.size > trust.MaxContent:
		return fmt.Errorf("%w: size %d", errRow, c.size)
	case c.expired && !c.withheld:
		return fmt.Errorf("%w: over and not withheld", errRow)
	case c.absent && (!c.expired || c.deleted || c.size != 0):
		return fmt.Errorf("%w: a content that ought to be stored is not", errRow)
	case c.deleted && c.digest != nothing:
		return fmt.Errorf("%w: a tombstone with content", errRow)
	}
	return nil
}

// nothing is the digest of the empty content.
var nothing = trust.DigestOf(nil)

// stored is what others see of a change.
func (c *change) stored() Stored {
	return Stored{Name: c.name, Seq: c.seq, Inode: c.inode, Digest: c.digest, Size: c.size, Version: c.version, Signature: c.signature}
}
