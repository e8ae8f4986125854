package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Write writes m as one frame. Give it a buffered writer.
func Write(w io.Writer, m Message) error {
	b := Encode(m)
	if _, err := w.Write(binary.AppendUvarint(nil, uint64(len(b)))); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// Reader is what Read reads from: bufio.Reader is one. Raw bytes after a frame stay in it.
type Reader interface {
	io.Reader
	io.ByteReader
}

// Read reads one frame of at most max bytes. A stream that ends before a frame's first byte gives io.EOF.
func Read(r Reader, max int) (Message, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	if n > uint64(max) {
		return nil, fmt.Errorf("%w: %d bytes where at most %d may be", ErrMalformed, n, max)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, unexpected(err)
	}
	return Decode(b)
}

// readLength reads a minimal varint of at most four bytes.
func readLength(r io.ByteReader) (uint64, error) {
	var n uint64
	for i := range 4 {
		c, err := r.ReadByte()
		if err != nil {
			if i > 0 {
				err = unexpected(err)
			}
			return 0, err
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				break
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: bad length", ErrMalformed)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
