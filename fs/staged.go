package fs

import (
	"crypto/rand"
	"sync"

	"dmfs/index"
	"dmfs/trust"
)

// staged is what the courier is about to do through the mount at one order. A
// request is its own when it names what is staged and comes from its thread.
type staged struct {
	mu     sync.Mutex
	thread uint32
	paths  map[string]uint64      // what an unlink, mkdir or rmdir is for, with its change
	tokens map[string]index.Entry // by the hidden names to rename from
}

// begin forgets the order before.
func (s *staged) begin(thread uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.thread, s.paths, s.tokens = thread, map[string]uint64{}, map[string]index.Entry{}
}

// stage announces a rename and returns the name to rename from, a new one each
// time. It has 130 bits that nobody can guess.
func (s *staged) stage(e index.Entry) (token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token = rand.Text()
	s.tokens[token] = e
	return token
}

// announce announces an unlink of a path for the change seq, or a mkdir or rmdir.
func (s *staged) announce(path string, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths[path] = seq
}

// holds reports whether a version is staged that has the inode.
func (s *staged) holds(inode uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.tokens { // few: a round's
		if e.Inode == inode {
			return true
		}
	}
	return false
}

// find returns the version staged under a token.
func (s *staged) find(token string, thread uint32) (index.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.tokens[token]
	return e, ok && s.thread == thread
}

// rename returns the version staged under a token, once.
func (s *staged) rename(token string, thread uint32) (index.Entry, bool) {
	e, ok := s.find(token, thread)
	if !ok {
		return index.Entry{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
	return e, true
}

// take reports whether the request was announced, once, and for which change.
func (s *staged) take(path string, thread uint32) (seq uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok = s.paths[path]
	if !ok || s.thread != thread {
		return 0, false
	}
	delete(s.paths, path)
	return seq, true
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
