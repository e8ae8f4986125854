package fs

import (
	"errors"
	"strings"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/trust"
)

// missed notes that a half waited in vain, as its writer was told of success. What is held already misses
// nothing.
func (f *FS) missed(d *draft) {
	path := d.location()
	if f.hopeless(path) {
		return
	}
	base, isSignature := strings.CutSuffix(path, signatureSuffix)
	r := &trust.Refusal{Err: trust.ErrMismatch}
	switch {
	case isSignature:
		r.Detail, r.Hint = base+": a signature came, and not the content that it signs", "copy the file that was signed, too"
	case f.holds(base, d.freeze().bytes):
		return
	default:
		r.Detail, r.Hint = base+": a content came, and no signature of it", "sign it and copy both: dmfs file update FILE --key KEY"
	}
	f.refuse(path, d, r)
}

// holds reports whether a content is the held one of its name.
func (f *FS) holds(path string, content []byte) bool {
	name, err := trust.ParseName(path)
	if err != nil {
		return false
	}
	held, ok := f.index.Get(name)
	return ok && held.Record.Digest() == trust.DigestOf(content)
}

// refuse keeps the reason where people look for it: with the name, whichever
// half it was.
func (f *FS) refuse(path string, d *draft, err error) {
	name := strings.TrimSuffix(path, signatureSuffix)
	refused := index.Refused{Name: name, Origin: Origin, Reason: err.Error(), Err: err, At: time.Now()}
	var r *trust.Refusal
	if errors.As(err, &r) {
		refused.Hint = r.Hint
	}
	f.index.Refuse(refused)
	logged, last := f.budget.spend(d.uid, refused.At)
	if logged {
		f.log.Info("refused", "name", name, "err", err, "hint", refused.Hint, "uid", d.uid, "pid", d.process)
	}
	if last {
		f.log.Info("no more refusals of this user for a while", "uid", d.uid, "for", budgetFor)
	}
}

// Of what is refused to a user the log says that much in so long, lest a program that tries for ever
// fill the disk.
const (
	budgetSize = 100
	budgetFor  = time.Minute
)

// A budget is what may be logged of each user.
type budget struct {
	mu    sync.Mutex
	since time.Time
	spent map[uint32]int
}

// spend reports whether a user's refusal is to be logged, and whether that is the last one for a while.
func (b *budget) spend(uid uint32, now time.Time) (logged, last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent == nil || now.Sub(b.since) >= budgetFor {
		b.since, b.spent = now, map[uint32]int{}
	}
	b.spent[uid]++
	return b.spent[uid] <= budgetSize, b.spent[uid] == budgetSize
}
