package fs

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Limits of drafts: one mount holds at most maxDrafts of them, maxDraftBytes in
// all, and forgets a half that nobody has open after draftAge.
const (
	maxDrafts     = 4096
	maxDraftBytes = 128 << 20
	draftAge      = 10 * time.Minute
	markAge       = 2 * time.Second
)

// drafts holds every draft of a mount.
type drafts struct {
	mu     sync.Mutex
	last   uint64
	bytes  int
	byNode map[uint64]*draft
	byPath map[string][]*draft
	marks  map[uint32]mark // by thread id
	timer  *time.Timer     // runs while there are drafts
}

// mark tells which draft a thread's second walk of a path must find, after its
// first one was answered with ESTALE.
type mark struct {
	path  string
	draft *draft
	until time.Time
}

func newDrafts() *drafts {
	return &drafts{
		last:   1<<32 + rand.Uint64()>>8, // a draft of an earlier process is unknown here, not somebody else's
		byNode: map[uint64]*draft{},
		byPath: map[string][]*draft{},
		marks:  map[uint32]mark{},
	}
}

// add makes a draft with the bytes that it starts from.
func (s *drafts) add(path string, process int, uid uint32, data []byte, empty bool) (*draft, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byNode) >= maxDrafts || s.bytes+len(data) > maxDraftBytes {
		return nil, ErrQuota
	}
	s.last++
	d := &draft{
		node: nodeID(draftKind, s.last), process: process, uid: uid, since: time.Now(),
		path: path, data: data, empty: empty,
	}
	s.byNode[d.node] = d
	s.byPath[path] = append(s.byPath[path], d)
	s.bytes += len(data)
	if s.timer == nil {
		s.timer = time.AfterFunc(draftAge, s.sweep)
	}
	return d, nil
}

// reserve books what d needs to grow to size bytes.
func (s *drafts) reserve(d *draft, size int) error {
	d.mu.Lock()
	more := max(size-len(d.data), 0)
	d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+more > maxDraftBytes {
		return ErrQuota
	}
	s.bytes += more
	return nil
}

func (s *drafts) giveBack(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= bytes
}

func (s *drafts) get(node uint64) (*draft, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.byNode[node]
	return d, ok
}

// at returns the drafts of a path, oldest first.
func (s *drafts) at(path string) []*draft {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*draft(nil), s.byPath[path]...)
}

// of returns the newest draft of a path that belongs to a thread's process.
// Finding out a thread's process costs a read of /proc, so it is asked only
// where there is a draft.
func (s *drafts) of(path string, thread uint32) (*draft, bool) {
	at := s.at(path)
	if len(at) == 0 {
		return nil, false
	}
	process := processOf(thread)
	for i := len(at) - 1; i >= 0; i-- {
		if at[i].process == process {
			return at[i], true
		}
	}
	return nil, false
}

// move renames a draft, replacing the same process's other draft there.
func (s *drafts) move(d *draft, to string) {
	for _, old := range s.at(to) {
		if old != d && old.process == d.process {
			s.drop(old)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlist(d)
	d.mu.Lock()
	d.path = to
	d.mu.Unlock()
	s.byPath[to] = append(s.byPath[to], d)
}

// drop forgets a draft that was unlinked. Handles that are still open on it
// write into nothing.
func (s *drafts) drop(d *draft) {
	d.mu.Lock()
	d.gone = true
	d.mu.Unlock()
	s.settle(d)
}

// settle takes a draft out of the way of others, since it has become part of a
// record or was refused. While it is open it keeps its inode; a later write
// makes it a candidate again (see revive).
func (s *drafts) settle(d *draft) {
	d.mu.Lock()
	d.settled = true
	open := d.handles > 0
	d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlist(d)
	if !open {
		s.remove(d)
	}
}

// revive brings a settled draft back that was written again.
func (s *drafts) revive(d *draft) {
	d.mu.Lock()
	back := d.settled && !d.gone
	d.settled = d.settled && d.gone
	d.mu.Unlock()
	if !back {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := d.location()
	s.byPath[path] = append(s.byPath[path], d)
}

// opened and closed count the handles of a draft.
func (s *drafts) opened(d *draft) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handles++
}

func (s *drafts) closed(d *draft) {
	d.mu.Lock()
	d.handles--
	useless := d.handles == 0 && (d.settled || !d.touched && !d.empty)
	d.mu.Unlock()
	if useless {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.remove(d)
	}
}

// setMark makes the thread's next walk to path find d.
func (s *drafts) setMark(thread uint32, path string, d *draft) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, m := range s.marks { // few: each is a thread inside open(2)
		if time.Now().After(m.until) {
			delete(s.marks, other)
		}
	}
	s.marks[thread] = mark{path: path, draft: d, until: time.Now().Add(markAge)}
}

func (s *drafts) marked(thread uint32, path string) (*draft, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.marks[thread]
	if !ok || m.path != path || time.Now().After(m.until) {
		return nil, false
	}
	return m.draft, true
}

func (s *drafts) clearMark(thread uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.marks, thread)
}

// sweep forgets what is too old, and comes again while anything is left.
func (s *drafts) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, d := range s.byNode {
		d.mu.Lock()
		old := d.handles == 0 && now.Sub(d.since) > draftAge
		d.mu.Unlock()
		if old {
			s.remove(d)
		}
	}
	s.timer = nil
	if len(s.byNode) > 0 {
		s.timer = time.AfterFunc(draftAge/10, s.sweep)
	}
}

// stop ends the timer for good: a mount that goes away forgets its drafts.
func (s *drafts) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// remove and unlist need the lock.
func (s *drafts) remove(d *draft) {
	if s.byNode[d.node] != d {
		return
	}
	s.unlist(d)
	delete(s.byNode, d.node)
	d.mu.Lock()
	s.bytes -= len(d.data)
	d.mu.Unlock()
}

func (s *drafts) unlist(d *draft) {
	path := d.location()
	kept := s.byPath[path][:0]
	for _, other := range s.byPath[path] {
		if other != d {
			kept = append(kept, other)
		}
	}
	if len(kept) == 0 {
		delete(s.byPath, path)
		return
	}
	s.byPath[path] = kept
}
