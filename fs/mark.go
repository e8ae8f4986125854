package fs

import "time"

// markAge is long enough for a thread that has to wait for a processor between
// its two walks, and short against the reuse of thread ids.
const markAge = 30 * time.Second

// mark tells which draft a thread's second walk of a path must find, after its
// first one was answered with ESTALE.
type mark struct {
	path  string
	draft *draft
	until time.Time
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
	if !ok || m.path != path || time.Now().After(m.until) || s.byNode[m.draft.node] != m.draft {
		return nil, false
	}
	return m.draft, true
}

func (s *drafts) clearMark(thread uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.marks, thread)
}
