package index

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"dmfs/trust"
)

// A batch is what one transaction is going to change. It is planned without touching the index
// (but see trim), stored, and only then installed.
type batch struct {
	ix       *Index
	now      time.Time
	policy   *trust.Policy
	last     uint64
	files    map[trust.Name]*file // those that differ
	added    []*change
	dropped  []*change
	loose    map[trust.Name]bool  // names that trim took over
	uses     map[trust.Digest]use // those that differ
	contents map[trust.Digest][]byte
	ids      map[string]uint64 // new directories
	dirs     map[string]uint64 // nil: as before
}

func (ix *Index) newBatch() *batch {
	return &batch{
		ix: ix, now: time.Now(), policy: ix.policy, last: ix.last,
		files: map[trust.Name]*file{}, uses: map[trust.Digest]use{},
		contents: map[trust.Digest][]byte{}, ids: map[string]uint64{},
	}
}

// file returns a name's file as the batch has made it so far, or nil.
func (b *batch) file(n trust.Name) *file {
	if f, ok := b.files[n]; ok {
		return f
	}
	return b.ix.files[n]
}

// propose plans one record; I4 decides.
func (b *batch) propose(origin string, r trust.Record) Outcome {
	old := b.file(r.Name())
	var out Outcome
	if old != nil {
		out.Seq = old.Seq
	}
	if r, out.Err = b.prove(r); out.Err != nil {
		return out
	}
	if old != nil && !old.record.IsZero() {
		if order := trust.Compare(r, old.record); order <= 0 {
			out.Err = older(order, r, old.record)
			return out
		}
	}
	size, ok := b.keep(r)
	if !ok {
		out.Err = fmt.Errorf("%s: %w", r.Name(), ErrNoContent)
		return out
	}
	c := &change{
		name: r.Name(), version: r.Version(), digest: r.Digest(), signature: r.Signature(),
		size: size, origin: origin[:min(len(origin), maxOrigin)], since: b.now,
	}
	if old != nil && old.Shown && !r.Deleted() && old.held.digest == c.digest {
		c.inode = old.Inode
	}
	b.add(c, r, old)
	return Outcome{Seq: c.seq}
}

// older explains a record that does not win; the same one again is welcome.
func older(order int, r, held trust.Record) error {
	if order == 0 {
		return nil
	}
	const layout = "2006-01-02T15:04:05.999999999Z"
	return fmt.Errorf("%s: signed at %s, %w, signed at %s",
		r.Name(), r.Version().Time().Format(layout), ErrOlder, held.Version().Time().Format(layout))
}

// prove lets in what the policy in force admits.
func (b *batch) prove(r trust.Record) (trust.Record, error) {
	if r.IsZero() {
		return r, &trust.Refusal{Err: trust.ErrMalformed, Detail: "a record that no policy accepted"}
	}
	if r.ProvedBy(b.policy) {
		return r, nil
	}
	return b.policy.Verify(r.Claim(), b.now)
}

// keep makes sure that a record's content is stored, and returns its size.
func (b *batch) keep(r trust.Record) (int64, bool) {
	if u := b.use(r.Digest()); u.rows > 0 {
		return u.size, true
	}
	content, ok := r.Content()
	if ok {
		b.contents[r.Digest()] = content
	}
	return int64(len(content)), ok
}

// use returns how a content is used as the batch has made it so far.
func (b *batch) use(d trust.Digest) use {
	if u, ok := b.uses[d]; ok {
		return u
	}
	return b.ix.uses[d]
}

// add plans a change: c gets its numbers and becomes what is held. An inode of 0 is a new one.
func (b *batch) add(c *change, r trust.Record, old *file) {
	if old == nil {
		b.discover(c.name)
	}
	c.seq = b.number()
	c.inode = cmp.Or(c.inode, c.seq)
	if old == nil {
		c.born = c.seq
		b.files[c.name] = newFile(c, r, nil)
	} else {
		c.born = old.Born
		b.files[c.name] = old.succeed(c, r)
	}
	b.added = append(b.added, c)
	b.uses[c.digest] = use{rows: b.use(c.digest).rows + 1, size: c.size}
}

// number gives the next number.
func (b *batch) number() uint64 {
	b.last++
	return b.last
}

// discover makes the directories above a new name.
func (b *batch) discover(n trust.Name) {
	for _, dir := range parents(n) {
		if b.dirs == nil {
			if _, ok := b.ix.dirs[dir]; ok {
				return // and so are those above it
			}
			b.dirs = maps.Clone(b.ix.dirs)
		}
		b.dirs[dir] = b.id(dir)
	}
}

// id returns a directory's number, for ever the same.
func (b *batch) id(dir string) uint64 {
	if id, ok := b.ix.ids[dir]; ok {
		return id
	}
	if _, ok := b.ids[dir]; !ok {
		b.ids[dir] = b.number()
	}
	return b.ids[dir]
}

// trim plans to drop what the batch superseded and what was unpinned lately. What is to be dropped
// leaves the table now, so that nobody can pin it while it is being dropped; undo puts it back.
func (b *batch) trim() {
	b.ix.mu.Lock()
	defer b.ix.mu.Unlock()
	b.loose, b.ix.loose = b.ix.loose, map[trust.Name]bool{}
	names := maps.Clone(b.loose)
	for _, c := range b.added {
		names[c.name] = true
	}
	for n := range names {
		kept, dropped := b.file(n).trim(func(seq uint64) bool { return b.ix.pins[seq] > 0 })
		b.files[n] = kept
		b.drop(dropped)
	}
}

// drop plans to delete changes, and contents with the last one that uses them.
func (b *batch) drop(dropped []*change) {
	b.dropped = append(b.dropped, dropped...)
	for _, c := range dropped {
		delete(b.ix.rows, c.seq)
		u := b.use(c.digest)
		b.uses[c.digest] = use{rows: u.rows - 1, size: u.size}
	}
}
