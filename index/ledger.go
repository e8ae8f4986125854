package index

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"dmfs/trust"
)

var (
	// ErrQuota: the member has as much in the namespace as one may have.
	ErrQuota = errors.New("quota exceeded")
	// ErrConflict: a file is held where the name needs a directory, or the other way round.
	ErrConflict = errors.New("in the way of another name")
)

// What each member may have in a namespace when nobody says otherwise.
const (
	DefaultQuotaFiles = 1000
	DefaultQuotaBytes = 64 << 20
)

// manyNames is how many names a member may use up, deleted ones and directories included, for each
// file that it may have: they are remembered for ever.
const manyNames = 10

// SetQuota bounds what Apply takes of each member in each namespace: files shown, and bytes in them.
// What is held already stays. Deleting gives room, and so does a lifetime that ends. So that nobody
// fills the disk by what is not shown, names ever used are bounded by ten times the files, and what
// is stored by the bytes, and 16 KiB for the row of each file, once for each version that is kept and
// once for what is under way; deletions, and what is over when it comes, may use as much again.
func (ix *Index) SetQuota(files int, bytes int64) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.limits.files, ix.limits.bytes = files, bytes
}

// An owner is a member in a namespace.
type owner struct {
	namespace string
	member    trust.Key
}

// usage is what an owner has.
type usage struct {
	files  int   // shown
	bytes  int64 // in them
	names  int   // that ever were, directories included
	stored int64 // bytes of all versions and their rows
}

func (u usage) plus(v usage) usage {
	return usage{u.files + v.files, u.bytes + v.bytes, u.names + v.names, u.stored + v.stored}
}

func (u usage) minus(v usage) usage {
	return usage{u.files - v.files, u.bytes - v.bytes, u.names - v.names, u.stored - v.stored}
}

// measure returns what a file uses, nil nothing.
func measure(f *file) (u usage) {
	if f == nil {
		return u
	}
	for _, c := range f.changes() {
		u.stored += c.cost()
	}
	u.names = 1
	if f.Shown {
		u.files, u.bytes = 1, f.Size
	}
	return u
}

// cost is what a change takes on disk, its content included as if no other had it.
func (c *change) cost() int64 {
	return rowFixed + int64(len(c.name.String())+len(c.origin)+len(c.signature)) + c.size
}

// A ledger books what is in namespaces. A batch has one of its own, with what differs from the
// index's; that of a new policy has all.
type ledger struct {
	base  *ledger // nil: none
	usage map[owner]usage
	below map[string]int // every directory of an owner → how many names below it are shown
	names map[trust.Key]map[trust.Name]bool
}

func newLedger(base *ledger) *ledger {
	return &ledger{base: base, usage: map[owner]usage{}, below: map[string]int{}, names: map[trust.Key]map[trust.Name]bool{}}
}

// of returns what an owner has.
func (l *ledger) of(o owner) usage {
	if u, ok := l.usage[o]; ok || l.base == nil {
		return u
	}
	return l.base.usage[o]
}

// shownBelow returns how many names below a directory are shown, and whether it was ever needed.
func (l *ledger) shownBelow(dir string) (count int, ok bool) {
	if count, ok = l.below[dir]; ok || l.base == nil {
		return count, ok
	}
	count, ok = l.base.below[dir]
	return count, ok
}

// book replaces what is known of a name; no old one is nil.
func (l *ledger) book(p *trust.Policy, old, now *file) {
	o, ok := ownerOf(p, now.Name)
	if !ok {
		return
	}
	before, after := measure(old), measure(now)
	u := l.of(o).plus(after).minus(before)
	for _, dir := range o.dirs(now.Name) {
		count, ok := l.shownBelow(dir)
		if !ok {
			u.names++
		}
		l.below[dir] = count + after.files - before.files
	}
	l.usage[o] = u
	if l.names[o.member] == nil {
		l.names[o.member] = map[trust.Name]bool{}
	}
	l.names[o.member][now.Name] = true
}

// merge adds what a batch's ledger says.
func (l *ledger) merge(news *ledger) {
	maps.Copy(l.usage, news.usage)
	maps.Copy(l.below, news.below)
	for k, names := range news.names {
		if l.names[k] == nil {
			l.names[k] = names
		} else {
			maps.Copy(l.names[k], names)
		}
	}
}

// ownerOf returns whose a name is, if it is in a namespace.
func ownerOf(p *trust.Policy, n trust.Name) (owner, bool) {
	ns, k, ok := p.Namespace(n)
	return owner{ns, k}, ok
}

// dirs returns the directories above a name that are the owner's, the nearest first.
func (o owner) dirs(n trust.Name) []string {
	dirs := parents(n)
	return dirs[:len(dirs)-1-strings.Count(o.namespace, "/")]
}

// admit says whether a namespace has room for a change; old is what it replaces, or nil.
func (b *batch) admit(c *change, old *file) error {
	o, ok := ownerOf(b.policy, c.name)
	if !ok {
		return nil
	}
	if err := b.clear(o, c); err != nil {
		return err
	}
	u := b.ledger.of(o)
	then := u.minus(measure(old)).plus(measure(newFile(c, proof{}, nil)))
	then.stored = u.stored + c.cost()
	for _, dir := range o.dirs(c.name) {
		if _, ok := b.ledger.shownBelow(dir); !ok {
			then.names++
		}
	}
	if what := b.limits.exceeded(u, then, c.deleted || c.expired); what != "" {
		return fmt.Errorf("%s: %w: its member has as many %s in %s as one may have", c.name, ErrQuota, what, o.namespace)
	}
	return nil
}

// exceeded says of what there would be too much. What does not grow is never too much.
func (q limits) exceeded(now, then usage, deletion bool) (what string) {
	stored := int64(q.versions+1) * (q.bytes + int64(q.files)*trust.MaxSignature)
	if deletion {
		stored *= 2
	}
	switch {
	case then.files > max(now.files, q.files):
		return "files"
	case then.bytes > max(now.bytes, q.bytes):
		return "bytes"
	case then.names > max(now.names, manyNames*q.files):
		return "names, deleted ones included,"
	case then.stored > stored:
		return "bytes of earlier versions"
	}
	return ""
}

// clear wants that what is to be shown is neither a directory of another file nor below one. The
// one that is held stays until it is deleted, whatever is older.
func (b *batch) clear(o owner, c *change) error {
	if c.deleted || c.withheld {
		return nil
	}
	if count, _ := b.ledger.shownBelow(c.name.String()); count > 0 {
		return fmt.Errorf("%s: %w: there are files below it", c.name, ErrConflict)
	}
	for _, dir := range o.dirs(c.name) {
		n, err := trust.ParseName(dir)
		if err != nil {
			return err
		}
		if f := b.file(n); f != nil && f.Shown {
			return fmt.Errorf("%s: %w: %s is a file", c.name, ErrConflict, dir)
		}
	}
	return nil
}
