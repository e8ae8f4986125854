package index

import (
	"fmt"
	"strings"

	"dmfs/trust"

	"go.etcd.io/bbolt"
)

// A table is the file without the contents.
type table struct {
	rows    map[uint64]*change
	names   map[trust.Name][]*change // oldest first: the last one is held
	uses    map[trust.Digest]use
	ids     map[string]uint64
	members map[trust.Key]member // not judged
	last    uint64               // greatest number in use
}

// A use says how many changes refer to a content, and how long it is.
type use struct {
	rows int
	size int64
}

// readTable reads all rows; one that cannot be, or contradicts another, is ErrCorrupt.
func readTable(tx *bbolt.Tx) (*table, error) {
	if err := checkFormat(tx); err != nil {
		return nil, err
	}
	t := &table{
		rows: map[uint64]*change{}, names: map[trust.Name][]*change{},
		uses: map[trust.Digest]use{}, ids: map[string]uint64{},
		members: map[trust.Key]member{}, last: firstNumber - 1,
	}
	for _, part := range []struct {
		bucket []byte
		read   func(k, v []byte) error
	}{{bucketChanges, t.readChange}, {bucketDirs, t.readDir}, {bucketMembers, t.readMember}} {
		if err := tx.Bucket(part.bucket).ForEach(part.read); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	return t, nil
}

// readChange takes one row of changes.
func (t *table) readChange(k, v []byte) error {
	seq, ok := parseNumber(k)
	if !ok {
		return fmt.Errorf("change %x: key is malformed", k)
	}
	c, err := decodeChange(seq, v)
	if err != nil {
		return fmt.Errorf("change %d: %w", seq, err)
	}
	if older := t.names[c.name]; len(older) > 0 && older[0].born != c.born {
		return fmt.Errorf("change %d: %s was born at %d and at %d", seq, c.name, older[0].born, c.born)
	}
	t.rows[seq], t.last = c, max(t.last, seq)
	if first := t.rows[c.inode]; first == nil || first.name != c.name || first.digest != c.digest {
		return fmt.Errorf("change %d: inode %d is not of the same name and content", seq, c.inode)
	}
	t.names[c.name] = append(t.names[c.name], c)
	return t.use(c)
}

// use counts a change's content.
func (t *table) use(c *change) error {
	if c.absent {
		return nil
	}
	u := t.uses[c.digest]
	if u.rows > 0 && u.size != c.size {
		return fmt.Errorf("change %d: size %d, elsewhere %d", c.seq, c.size, u.size)
	}
	t.uses[c.digest] = use{rows: u.rows + 1, size: c.size}
	return nil
}

// readDir takes one row of dirs.
func (t *table) readDir(k, v []byte) error {
	id, ok := parseNumber(v)
	if !ok || id < firstNumber || t.rows[id] != nil {
		return fmt.Errorf("directory %q: id is malformed or a change", k)
	}
	if _, err := trust.ParseName(string(k)); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	t.ids[string(k)], t.last = id, max(t.last, id)
	return nil
}

// parents returns every directory above a name, the nearest first.
func parents(n trust.Name) []string {
	var dirs []string
	for dir := n.Dir(); dir != ""; {
		dirs = append(dirs, dir)
		dir = dir[:max(0, strings.LastIndexByte(dir, '/'))]
	}
	return dirs
}
