package replica

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"dmfs/index"
)

// lineage tells an index from every other one, also after it has changed: it is the hash of which names
// appeared first at which changes, up to one. Those are for ever the same.
func lineage(ix *index.Index, upTo uint64) string {
	h := sha256.New()
	for _, e := range ix.Entries() {
		if e.Born <= upTo {
			h.Write(binary.BigEndian.AppendUint64(nil, e.Born))
			h.Write(append([]byte(e.Name.String()), 0))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
