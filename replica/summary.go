package replica

import (
	"context"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// snapshot is what a node can serve, as of one moment, and the policy that admits it; two peers compare
// theirs.
type snapshot struct {
	summary.Tree
	policy *trust.Policy
	seq    uint64 // the newest change in it, 0 when it is not of an index
}

// summaries follows the index, at a cost that follows its changes.
type summaries struct {
	ix   *index.Index
	hold func(names int, bytes int64) // is told how much there is

	mu    sync.Mutex
	tree  summary.Tree
	seq   uint64
	past  past
	moved chan struct{} // closed at the next change
}

func newSummaries(ix *index.Index, hold func(names int, bytes int64)) *summaries {
	return &summaries{ix: ix, hold: hold, moved: make(chan struct{})}
}

// follow keeps the summary up to date until ctx ends, and calls changed after each change.
func (s *summaries) follow(ctx context.Context, changed func()) error {
	var bytes int64
	return s.ix.Follow(ctx, 0, func(_ context.Context, news []index.Entry) error {
		tree, _, _ := s.newest()
		roots := make([]wire.Hash, len(news))
		for i, e := range news {
			before := tree
			tree = noting(tree, e)
			roots[i] = tree.Hash()
			bytes += grown(before, tree, e.Name)
		}
		s.hold(tree.Len(), bytes)
		s.move(tree, roots, news)
		changed()
		return nil
	})
}

// move goes on to the tree that news have led to, by way of roots.
func (s *summaries) move(tree summary.Tree, roots []wire.Hash, news []index.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range news {
		s.past.add(roots[i], moment{e.Seq, time.Now()})
	}
	s.tree, s.seq = tree, news[len(news)-1].Seq
	close(s.moved)
	s.moved = make(chan struct{})
}

// followIndex keeps the summary up to date. A root that a peer has said before may be in our past now.
func (r *Replica) followIndex() {
	if err := r.summaries.follow(r.ctx, r.heard); r.ctx.Err() == nil {
		r.log.Error("cannot follow the index", "err", err)
	}
}

func (s *summaries) newest() (summary.Tree, uint64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree, s.seq, s.moved
}

// when returns the last moment at which our tree had a root.
func (s *summaries) when(root wire.Hash) (moment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.past.when(root)
}

// current returns the summary of the index as it is now or newer than when current was called. When ctx
// ends it returns what there is.
func (s *summaries) current(ctx context.Context) snapshot {
	policy, seq := s.ix.Policy(), s.ix.Seq()
	for {
		tree, at, moved := s.newest()
		if at >= seq || ctx.Err() != nil {
			return snapshot{tree, policy, at}
		}
		select {
		case <-moved:
		case <-ctx.Done():
		}
	}
}

// noting returns the tree with what the index holds of a name; what the policy does not admit is not in
// it. Of two names with one key it has the lesser one. Who makes up such names, which takes some 2^48
// tries, has but one of them synced.
func noting(tree summary.Tree, e index.Entry) summary.Tree {
	name := e.Name.String()
	key := wire.KeyOf(name)
	old, ok := tree.Get(key)
	switch {
	case e.Record.IsZero() && ok && old.Name == name:
		return tree.Remove(key)
	case e.Record.IsZero(), ok && old.Name < name:
		return tree
	}
	return tree.Put(summary.Entry{Key: key, Stamp: stampOf(e.Record), Version: int64(e.Record.Version()), Name: name, Size: e.Size})
}

// grown returns how many bytes more the content of a name has.
func grown(before, after summary.Tree, n trust.Name) int64 {
	key := wire.KeyOf(n.String())
	old, _ := before.Get(key)
	now, _ := after.Get(key)
	return now.Size - old.Size
}

func stampOf(rec trust.Record) wire.Stamp {
	return wire.StampOf(int64(rec.Version()), rec.Digest(), rec.Signer(), rec.Deleted(), rec.TTL())
}

// held returns what the index holds under a key and the policy admits.
func (r *Replica) held(s snapshot, k wire.Key) (index.Entry, bool) {
	listed, ok := s.Get(k)
	if !ok {
		return index.Entry{}, false
	}
	name, err := trust.ParseName(listed.Name)
	if err != nil {
		return index.Entry{}, false // it is the index's, so this cannot be
	}
	e, ok := r.ix.Get(name)
	return e, ok && !e.Record.IsZero()
}

// lacks reports whether somebody with this tree should ask for an item.
func lacks(t summary.Tree, it wire.Item) bool {
	have, ok := t.Get(it.Key)
	return !ok || it.Version > have.Version || it.Version == have.Version && it.Tag != have.Stamp.Tag()
}
