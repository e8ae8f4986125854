package replica

import (
	"bytes"
	"slices"
	"sync"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

// summary is what a node can serve, as of one moment; two peers compare theirs.
type summary interface {
	root() wire.Root
	items() []wire.Item              // by key; shared and read only
	held(wire.Key) (held, bool)      // what is held under a key
	size(trust.Digest) (int64, bool) // of a content, if it may be served
	policy() *trust.Policy           // the policy that admitted it all
}

// held is one name as the summary and as the index has it.
type held struct {
	item  wire.Item
	entry index.Entry
}

// summaries keeps the newest summary, computed anew only when the index has changed.
type summaries struct {
	ix *index.Index

	mu     sync.Mutex
	newest *list
}

func newSummaries(ix *index.Index) *summaries { return &summaries{ix: ix} }

// current returns the summary of the index as it is now or newer than when current was called.
func (s *summaries) current() summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, policy := s.ix.Seq(), s.ix.Policy()
	if s.newest == nil || s.newest.seq != seq || s.newest.admitted != policy {
		s.newest = newList(seq, policy, s.ix.Entries())
	}
	return s.newest
}

// list is a summary that compares by listing everything.
type list struct {
	seq      uint64
	admitted *trust.Policy
	top      wire.Root
	sorted   []wire.Item
	names    map[wire.Key]held
	sizes    map[trust.Digest]int64
}

func newList(seq uint64, policy *trust.Policy, entries []index.Entry) *list {
	l := &list{
		seq:      seq,
		admitted: policy,
		sorted:   make([]wire.Item, 0, len(entries)),
		names:    make(map[wire.Key]held, len(entries)),
		sizes:    make(map[trust.Digest]int64, len(entries)),
	}
	for _, e := range entries {
		if !e.Record.IsZero() { // else the policy does not admit it any more
			l.add(e)
		}
	}
	slices.SortFunc(l.sorted, func(a, b wire.Item) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	l.top = wire.Root{Root: wire.RootOf(l.sorted), Count: uint32(len(l.sorted))}
	return l
}

func (l *list) add(e index.Entry) {
	it := itemOf(e.Record)
	l.sorted = append(l.sorted, it)
	l.names[it.Key] = held{it, e}
	l.sizes[e.Record.Digest()] = e.Size
}

func itemOf(rec trust.Record) wire.Item {
	return wire.Item{
		Key:     wire.KeyOf(rec.Name().String()),
		Version: int64(rec.Version()),
		Tag:     wire.TagOf(rec.Digest(), rec.Signer(), rec.Deleted(), rec.TTL()),
	}
}

func (l *list) root() wire.Root       { return l.top }
func (l *list) items() []wire.Item    { return l.sorted }
func (l *list) policy() *trust.Policy { return l.admitted }

func (l *list) held(k wire.Key) (held, bool) {
	h, ok := l.names[k]
	return h, ok
}

func (l *list) size(d trust.Digest) (int64, bool) {
	n, ok := l.sizes[d]
	return n, ok
}

// lacks reports whether somebody with the summary s should ask for it.
func lacks(s summary, it wire.Item) bool {
	have, ok := s.held(it.Key)
	return !ok || it.Version > have.item.Version || it.Version == have.item.Version && it.Tag != have.item.Tag
}
