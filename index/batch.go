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
	limits   limits
	last     uint64
	files    map[trust.Name]*file // those that differ
	added    []*change
	dropped  []*change
	loose    map[trust.Name]bool  // names that trim took over
	uses     map[trust.Digest]use // those that differ
	contents map[trust.Digest][]byte
	ids      map[string]uint64 // new directories
	dirs     map[string]uint64 // nil: as before
	ledger   *ledger
	members  map[trust.Key]member // replaced, never modified
	learned  []trust.Key          // members to be stored
}

func (ix *Index) newBatch() *batch {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return &batch{
		ix: ix, now: ix.now(), policy: ix.policy, limits: ix.limits, last: ix.last,
		files: map[trust.Name]*file{}, uses: map[trust.Digest]use{},
		contents: map[trust.Digest][]byte{}, ids: map[string]uint64{},
		ledger: newLedger(ix.ledger), members: ix.members,
	}
}

// file returns a name's file as the batch has made it so far, or nil.
func (b *batch) file(n trust.Name) *file {
	if f, ok := b.files[n]; ok {
		return f
	}
	return b.ix.files[n]
}

// put plans what is known of a name; old is what it replaces, or nil.
func (b *batch) put(old, f *file) {
	b.files[f.Name] = f
	b.ledger.book(b.policy, old, f)
}

// propose plans one record; I4 decides.
func (b *batch) propose(origin string, r trust.Record) (out Outcome) {
	var err error
	if r, err = b.prove(r); err == nil {
		b.learnFrom(r)
	}
	old := b.file(r.Name())
	if old != nil {
		out.Seq = old.Seq
	}
	if out.Err = err; err != nil {
		return out
	}
	if old != nil && !old.record.IsZero() {
		if order := b.compare(r, old.record); order <= 0 {
			out.Err = b.older(order, r, old)
			return out
		}
	}
	c, err := b.change(origin, r, old)
	if err != nil {
		out.Err = err
		return out
	}
	b.add(c, r, old)
	return Outcome{Seq: c.seq}
}

// change makes a change of a record that wins, if there is what it needs.
func (b *batch) change(origin string, r trust.Record, old *file) (*change, error) {
	size, ok := b.keep(r)
	if !ok {
		return nil, fmt.Errorf("%s: %w", r.Name(), ErrNoContent)
	}
	c := &change{
		name: r.Name(), version: r.Version(), digest: r.Digest(), signature: r.Signature(),
		size: size, origin: origin[:min(len(origin), maxOrigin)], since: b.now, deleted: r.Deleted(),
	}
	if old != nil && old.Shown && !r.Deleted() && old.held.digest == c.digest {
		c.inode = old.Inode
	}
	return c, b.admit(c, old)
}

// older explains a record that does not win. The same one again is welcome, unless it is withheld.
func (b *batch) older(order int, r trust.Record, held *file) error {
	switch {
	case order < 0:
		return fmt.Errorf("%s: signed at %s, %w, signed at %s", r.Name(),
			r.Version().Time().Format(nanoseconds), ErrOlder, held.record.Version().Time().Format(nanoseconds))
	case held.held.expired:
		return &trust.Refusal{
			Err: trust.ErrExpired, Hint: "sign it again",
			Detail: fmt.Sprintf("%s: the signed lifetime was over when this node's clock was ahead", r.Name()),
		}
	case held.held.withheld:
		return fmt.Errorf("%s: %w", r.Name(), ErrConflict)
	}
	return nil
}

// nanoseconds writes versions so that two of them differ.
const nanoseconds = "2006-01-02T15:04:05.999999999Z"

// prove lets in what the policy in force admits now.
func (b *batch) prove(r trust.Record) (trust.Record, error) {
	if r.IsZero() {
		return r, &trust.Refusal{Err: trust.ErrMalformed, Detail: "a record that no policy accepted"}
	}
	if at := end(r); r.ProvedBy(b.policy) && (at.IsZero() || b.now.Before(at)) {
		return r, nil
	}
	c := r.Claim()
	if _, k, ok := b.policy.Namespace(r.Name()); ok {
		c = c.WithCertificate(b.members[k].chain)
	}
	proved, err := b.policy.Verify(c, b.now)
	if err != nil {
		return r, err
	}
	return proved, nil
}

// keep makes sure that a record's content is stored, and returns its size. A travelling policy has to
// bring it, as a policy that makes no sense is refused by its content.
func (b *batch) keep(r trust.Record) (int64, bool) {
	content, ok := r.Content()
	if u := b.use(r.Digest()); u.rows > 0 && (ok || r.Name().String() != trust.PolicyName) {
		return u.size, true
	}
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
		b.put(nil, newFile(c, r, nil))
	} else {
		c.born = old.Born
		b.put(old, old.succeed(c, r))
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
		f := b.file(n)
		kept, dropped := f.trim(b.limits.versions, func(seq uint64) bool { return b.ix.pins[seq] > 0 })
		b.put(f, kept)
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
