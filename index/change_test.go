package index

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// example is the row that the package comment works out.
func example(t testing.TB) *change {
	return &change{
		seq: 18, inode: 18, born: 17, size: 5, version: 1795383073441681534, since: time.Unix(0, 1795383074500000000),
		digest: trust.DigestOf([]byte("hello")), name: trusttest.Name(t, "dns/cnames"), origin: "mount", signature: []byte("text"),
	}
}

func TestExampleOfThePackageComment(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^//\t((?:[0-9a-f]{4}|[0-9a-f ]{8,}))$`).FindAllSubmatch(doc, -1)
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.ReplaceAll(string(line[1]), " ", ""))
	}
	want, err := hex.DecodeString(text.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := example(t).encode(); !bytes.Equal(got, want) {
		t.Errorf("row %x\ncomment %x", got, want)
	}
}

func TestDecodeChangeRefuses(t *testing.T) {
	good := example(t).encode()
	if _, err := decodeChange(18, good); err != nil {
		t.Fatal(err)
	}
	mangled := func(at int, b ...byte) []byte {
		row := bytes.Clone(good)
		copy(row[at:], b)
		return row
	}
	long := func(change func(*change)) []byte {
		c := example(t)
		change(c)
		return c.encode()
	}
	for name, row := range map[string][]byte{
		"another format":   mangled(0, 2),
		"an unknown flag":  mangled(1, 16),
		"shown and absent": long(func(c *change) { c.absent, c.size = true, 0 }),
		"absent tombstone": long(func(c *change) {
			c.withheld, c.expired, c.absent, c.size, c.deleted, c.digest = true, true, true, 0, true, nothing
		}),
		"absent and sized":   long(func(c *change) { c.withheld, c.expired, c.absent = true, true, true }),
		"over and shown":     mangled(1, 2),
		"deleted content":    mangled(1, 4),
		"inode after seq":    mangled(rowInode+7, 19),
		"inode before born":  mangled(rowInode+7, 16),
		"born before 16":     mangled(rowBorn+7, 15),
		"version 0":          mangled(rowVersion, make([]byte, 8)...),
		"negative version":   mangled(rowVersion, 0x80),
		"too large":          mangled(rowSize, 1),
		"a name that climbs": mangled(rowFixed+2, []byte("../cnames/")...),
		"a rest":             append(bytes.Clone(good), 0),
		"long origin":        long(func(c *change) { c.origin = strings.Repeat("o", maxOrigin+1) }),
		"long signature":     long(func(c *change) { c.signature = make([]byte, trust.MaxSignature+1) }),
	} {
		if c, err := decodeChange(18, row); err == nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
	for n := range good {
		if _, err := decodeChange(18, good[:n]); err == nil {
			t.Errorf("the first %d bytes are accepted", n)
		}
	}
}

func FuzzDecodeChange(f *testing.F) {
	c := example(f)
	f.Add(c.seq, c.encode())
	c.withheld, c.inode, c.origin, c.signature = true, 17, strings.Repeat("o", maxOrigin), make([]byte, trust.MaxSignature)
	f.Add(c.seq, c.encode())
	c.expired = true
	f.Add(c.seq, c.encode())
	c.absent, c.size = true, 0
	f.Add(c.seq, c.encode())
	c.absent = false
	c.deleted, c.digest, c.size = true, nothing, 0
	f.Add(c.seq, c.encode())
	f.Add(uint64(0), []byte{rowFormat})
	f.Fuzz(func(t *testing.T, seq uint64, row []byte) {
		c, err := decodeChange(seq, row)
		if err != nil {
			return
		}
		if again := c.encode(); !bytes.Equal(again, row) {
			t.Errorf("%x is written as %x", row, again)
		}
	})
}
