package replica

import (
	"sync"
	"time"

	"dmfs/trust"
)

const (
	maxParts = 3               // contents of which a part is kept, of 10 MiB at most
	partFor  = 5 * time.Minute // how long, after the last of them came
)

// flights sees to it that no digest is fetched twice at once, and from its beginning only once.
type flights struct {
	mu    sync.Mutex
	now   map[trust.Digest]*flight
	parts map[trust.Digest]*part

	forgetting *time.Timer // of the parts; it holds none of them
}

// flight is one fetch; content is set before landed is closed, and nil after a failure.
type flight struct {
	landed  chan struct{}
	content []byte
}

// board returns the flight for a digest, and whether the caller is the one to fly it and to call land.
func (f *flights) board(d trust.Digest) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if other, ok := f.now[d]; ok {
		return other, false
	}
	if f.now == nil {
		f.now = make(map[trust.Digest]*flight)
	}
	f.now[d] = &flight{landed: make(chan struct{})}
	return f.now[d], true
}

func (f *flights) flying(d trust.Digest) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.now[d]
	return ok
}

func (f *flights) land(d trust.Digest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.now[d].landed)
	delete(f.now, d)
}

// resume returns and takes out what earlier fetches have left.
func (f *flights) resume(d trust.Digest) *part {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.parts[d]
	if !ok {
		return newPart()
	}
	delete(f.parts, d)
	return p
}

// keep keeps a part for a while, unless there is one that has more.
func (f *flights) keep(d trust.Digest, p *part) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.parts[d]
	if p.got() == 0 || ok && old.got() >= p.got() {
		return
	}
	if !ok && len(f.parts) >= maxParts {
		clear(f.parts)
	}
	if f.parts == nil {
		f.parts = make(map[trust.Digest]*part)
	}
	f.parts[d] = p
	if f.forgetting == nil {
		f.forgetting = time.AfterFunc(partFor, f.forget)
	}
	f.forgetting.Reset(partFor)
}

func (f *flights) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.parts)
}
