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
	members  roster
	learned  []trust.Key // members to be stored
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
func (b *batch) propose(origin string, proposed trust.Record) (out Outcome) {
	r, refused := b.prove(proposed)
	b.learnFrom(r)
	old := b.file(proposed.Name())
	if old != nil {
		out.Seq = old.Seq
	}
	if r.IsZero() {
		out.Err = refused
		return out
	}
	if old != nil && !old.standing.IsZero() {
		switch order := b.compare(r, old.standing); {
		case order < 0:
			out.Err = older(r, old.standing)
			return out
		case order == 0:
			return b.again(old, refused)
		}
	}
	c, err := b.change(origin, r, old, refused != nil)
	if err != nil {
		out.Err = err
		return out
	}
	b.add(c, proof{record: r, standing: r, over: c.expired}, old)
	return Outcome{Seq: c.seq, Err: refused}
}

// change makes a change of a record that wins, if there is what it needs. What is over needs no content.
func (b *batch) change(origin string, r trust.Record, old *file, over bool) (*change, error) {
	c := &change{
		name: r.Name(), version: r.Version(), digest: r.Digest(), signature: r.Signature(), deleted: r.Deleted(),
		origin: origin[:min(len(origin), maxOrigin)], since: b.now, withheld: over, expired: over, absent: over,
	}
	if over {
		return c, b.admit(c, old)
	}
	var ok bool
	if c.size, ok = b.keep(r); !ok {
		return nil, fmt.Errorf("%s: %w", r.Name(), ErrNoContent)
	}
	if old != nil && old.Shown && !r.Deleted() && old.held.digest == c.digest {
		c.inode = old.Inode
	}
	return c, b.admit(c, old)
}

// again answers what is held already. It is welcome, unless it is withheld, or over by now.
func (b *batch) again(held *file, refused error) Outcome {
	switch {
	case refused != nil && !held.Expired:
		b.expire(held)
	case refused == nil && held.Expired:
		refused = &trust.Refusal{
			Err: trust.ErrExpired, Hint: "sign it again",
			Detail: fmt.Sprintf("%s: the signed lifetime was over when this node's clock was ahead", held.Name),
		}
	case refused == nil && held.held.withheld:
		refused = fmt.Errorf("%s: %w", held.Name, ErrConflict)
	}
	return Outcome{Seq: b.file(held.Name).Seq, Err: refused}
}

// older explains a record that loses.
func older(r, held trust.Record) error {
	return fmt.Errorf("%s: signed at %s, %w, signed at %s", r.Name(),
		r.Version().Time().Format(nanoseconds), ErrOlder, held.Version().Time().Format(nanoseconds))
}

// nanoseconds writes versions so that two of them differ.
const nanoseconds = "2006-01-02T15:04:05.999999999Z"

// prove lets in what the policy in force admits now. As from Verify, a record that comes with a refusal
// is over.
func (b *batch) prove(r trust.Record) (trust.Record, error) {
	if r.IsZero() {
		return r, &trust.Refusal{Err: trust.ErrMalformed, Detail: "a record that no policy accepted"}
	}
	if at := end(r); r.ProvedBy(b.policy) && (at.IsZero() || b.now.Before(at)) {
		return r, nil
	}
	c := r.Claim()
	if _, k, ok := b.policy.Namespace(r.Name()); ok {
		c = c.WithCertificate(b.members.byKey[k].chain)
	}
	return b.policy.Verify(c, b.now)
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
func (b *batch) add(c *change, p proof, old *file) {
	if old == nil {
		b.discover(c.name)
	}
	c.seq = b.number()
	c.inode = cmp.Or(c.inode, c.seq)
	if old == nil {
		c.born = c.seq
		b.put(nil, newFile(c, p, nil))
	} else {
		c.born = old.Born
		b.put(old, old.succeed(c, p))
	}
	b.added = append(b.added, c)
	if !c.absent {
		b.uses[c.digest] = use{rows: b.use(c.digest).rows + 1, size: c.size}
	}
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
		if c.absent {
			continue
		}
		u := b.use(c.digest)
		b.uses[c.digest] = use{rows: u.rows - 1, size: u.size}
	}
}
