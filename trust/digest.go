package trust

import (
	"encoding/hex"

	"golang.org/x/crypto/blake2b"
)

// MaxContent is the length of the longest content, in bytes.
const MaxContent = 10 << 20

// A Digest is the BLAKE2b-512 digest of a content: what the signer's key signs.
type Digest [blake2b.Size]byte

// DigestOf computes the digest of a content of any length.
func DigestOf(content []byte) Digest { return blake2b.Sum512(content) }

// String returns the digest in lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// nothing is the digest of the empty content, which every tombstone carries.
var nothing = DigestOf(nil)
