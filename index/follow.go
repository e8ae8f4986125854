package index

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"dmfs/trust"
)

// A logged change says which name changed at seq. It is stale when the name changed again.
type logged struct {
	seq  uint64
	name trust.Name
}

// mouthful is how many entries a follower gets at once.
const mouthful = 256

// Follow calls fn with the entries whose Seq is greater than after, in the order of Seq and at most
// 256 at a time, and then with those of every later change, until ctx is done, fn fails, or the
// index is closed (os.ErrClosed); it returns that error. A follower that is slow sees only the
// newest state of each name, and misses no name: to resume (I5), give the greatest Seq that was
// taken care of. fn gets ctx and a slice of its own, and may call the index.
func (ix *Index) Follow(ctx context.Context, after uint64, fn func(context.Context, []Entry) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, news := ix.since(after)
		if len(entries) == 0 {
			select {
			case <-news:
			case <-ctx.Done():
			case <-ix.quit:
				return closed("follow")
			}
			continue
		}
		if err := fn(ctx, entries); err != nil {
			return err
		}
		after = entries[len(entries)-1].Seq
	}
}

// since returns the next entries after seq, and what is closed when there are more.
func (ix *Index) since(seq uint64) ([]Entry, <-chan struct{}) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	var entries []Entry
	from := sort.Search(len(ix.log), func(i int) bool { return ix.log[i].seq > seq })
	for _, l := range ix.log[from:] {
		if f := ix.files[l.name]; f.Seq == l.seq {
			entries = append(entries, f.Entry)
		}
		if len(entries) == mouthful {
			break
		}
	}
	return entries, ix.news
}

// compact forgets stale changes once they are the greater part, so that it costs each change little.
func (ix *Index) compact() {
	if len(ix.log) < 2*len(ix.files)+mouthful {
		return
	}
	ix.log = slices.DeleteFunc(ix.log, func(l logged) bool { return ix.files[l.name].Seq != l.seq })
}

// heldOf lists the held changes in the order of seq.
func heldOf(names map[trust.Name][]*change) []logged {
	log := make([]logged, 0, len(names))
	for n, group := range names {
		log = append(log, logged{group[len(group)-1].seq, n})
	}
	slices.SortFunc(log, func(a, b logged) int { return cmp.Compare(a.seq, b.seq) })
	return log
}
