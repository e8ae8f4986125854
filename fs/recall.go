package fs

import (
	"sync"

	"dmfs/index"
	"dmfs/trust"
)

// proofs remembers the history that was asked for last, since it is proved anew each time and
// whoever lists a directory looks at everything in it. What ends or alters a version
// is a change of its name or another policy.
type proofs struct {
	mu       sync.Mutex
	seq      uint64
	policy   *trust.Policy
	versions []index.Stored
}

func (p *proofs) of(held index.Entry, policy *trust.Policy, prove func() []index.Stored) []index.Stored {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seq != held.Seq || p.policy != policy {
		p.seq, p.policy, p.versions = held.Seq, policy, prove()
	}
	return p.versions
}

// paths finds the path of a number of the index, that of a directory or the one
// with which a name was born. Numbers never change, so it is merely ahead of
// searching: another process finds the same.
type paths struct {
	index *index.Index

	mu   sync.Mutex
	seq  uint64 // what came later is not known yet
	byID map[uint64]string
}

func (p *paths) of(number uint64) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path, ok := p.byID[number]
	if seq := p.index.Seq(); !ok && seq != p.seq {
		p.seq, p.byID = seq, numbered(p.index)
		path, ok = p.byID[number]
	}
	return path, ok
}

func numbered(ix *index.Index) map[uint64]string {
	byID := map[uint64]string{}
	for path, number := range ix.Dirs() {
		byID[number] = path
	}
	for _, e := range ix.Entries() {
		byID[e.Born] = e.Name.String()
	}
	return byID
}

// links finds a link by its node. What a node leads to never changes, so this too is merely ahead of
// searching; whether the link is there now is another question.
type links struct {
	mu     sync.Mutex
	byNode map[uint64]link
}

func (s *links) of(node uint64, search func() []link) (link, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byNode[node]; !ok {
		s.byNode = map[uint64]link{}
		for _, l := range search() {
			s.byNode[l.node()] = l
		}
	}
	l, ok := s.byNode[node]
	return l, ok
}
