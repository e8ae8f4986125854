package fs

import "sync"

// progress is how far the mount shows the changes of the index.
type progress struct {
	mu   sync.Mutex
	seq  uint64
	news chan struct{} // closed when seq moves
}

func newProgress(seq uint64) *progress {
	return &progress{seq: seq, news: make(chan struct{})}
}

func (p *progress) reach(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq = max(p.seq, seq)
	close(p.news)
	p.news = make(chan struct{})
}

func (p *progress) get() (uint64, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seq, p.news
}
