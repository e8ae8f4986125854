package fs

import (
	"crypto/rand"
	"sync"

	"dmfs/index"
	"dmfs/trust"
)

// staged is what the courier is about to do through the mount. A request is its own
// when it names what is staged and comes from its thread.
type staged struct {
	mu      sync.Mutex
	thread  uint32
	path    string // what an unlink or mkdir is for, or
	token   string // the hidden name of
	entry   index.Entry
	renamed bool
}

// stage announces a rename and returns the name to rename from, a new one each
// time. It has 130 bits that nobody can guess.
func (s *staged) stage(thread uint32, e index.Entry) (token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thread, s.path, s.token, s.entry, s.renamed = thread, "", rand.Text(), e, false
	return s.token
}

// announce announces an unlink of a path for the change seq, or a mkdir or rmdir.
func (s *staged) announce(thread uint32, path string, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thread, s.path, s.token, s.entry = thread, path, "", index.Entry{Seq: seq}
}

// holds reports whether a version is staged that has the inode.
func (s *staged) holds(inode uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token != "" && !s.renamed && s.entry.Inode == inode
}

// find returns the version staged under a token.
func (s *staged) find(token string, thread uint32) (index.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || s.token != token || s.thread != thread || s.renamed {
		return index.Entry{}, false
	}
	return s.entry, true
}

// rename returns the version staged under a token, once.
func (s *staged) rename(token string, thread uint32) (index.Entry, bool) {
	e, ok := s.find(token, thread)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renamed = s.renamed || ok
	return e, ok
}

// take reports whether the request was announced, once, and for which change.
func (s *staged) take(path string, thread uint32) (seq uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" || s.path != path || s.thread != thread {
		return 0, false
	}
	s.path = ""
	return s.entry.Seq, true
}

// renames keeps deliveries away from a name while a writer's rename onto it
// is being judged.
type renames struct {
	mu    sync.Mutex
	ended *sync.Cond
	count map[trust.Name]int
}

func newRenames() *renames {
	r := &renames{count: map[trust.Name]int{}}
	r.ended = sync.NewCond(&r.mu)
	return r
}

func (r *renames) begin(n trust.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[n]++
}

func (r *renames) end(n trust.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count[n]--; r.count[n] == 0 {
		delete(r.count, n)
	}
	r.ended.Broadcast()
}

// wait returns when no rename onto the name is being judged.
func (r *renames) wait(n trust.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.count[n] > 0 {
		r.ended.Wait()
	}
}
