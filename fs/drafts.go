package fs

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// What Options leave open.
const (
	defaultDrafts     = 1024
	defaultDraftBytes = 128 << 20
	defaultDraftAge   = 10 * time.Minute
)

// maxWaiting is how many halves of one path may wait whose writers have ended.
// The oldest goes first: a tool that fails again and again must not use up its
// user's limit.
const maxWaiting = 8

// longestSweep bounds how long what a killed program left stays in memory.
const longestSweep = time.Second

// bounds limit what one user's drafts may take, so that nobody can take it
// from others.
type bounds struct {
	number, bytes int
	age           time.Duration // of a half that nobody has open
}

// taken is what a user's drafts take.
type taken struct{ number, bytes int }

// drafts holds every draft of a mount. Its lock comes before those of the
// drafts.
type drafts struct {
	limit    bounds
	hopeless func(path string) bool // whether no record can have that path
	missed   func(*draft)           // is told of halves that waited in vain

	mu      sync.Mutex
	last    uint64
	byUser  map[uint32]taken
	byNode  map[uint64]*draft
	byPath  map[string][]*draft // candidates only, oldest first
	marks   map[uint32]mark     // by thread id
	timer   *time.Timer         // runs while there are drafts
	stopped bool
}

func newDrafts(limit bounds, hopeless func(path string) bool, missed func(*draft)) *drafts {
	return &drafts{
		limit: bounds{
			number: cmp.Or(limit.number, defaultDrafts),
			bytes:  cmp.Or(limit.bytes, defaultDraftBytes),
			age:    cmp.Or(limit.age, defaultDraftAge),
		},
		hopeless: hopeless,
		missed:   missed,
		last:     1<<32 + rand.Uint64()>>8, // a draft of an earlier process is unknown here, not somebody else's
		byUser:   map[uint32]taken{},
		byNode:   map[uint64]*draft{},
		byPath:   map[string][]*draft{},
		marks:    map[uint32]mark{},
	}
}

// add makes a draft with the bytes that it starts from. It counts as open by
// the caller if open is true.
func (s *drafts) add(d *draft, open bool) error {
	s.thin(d.path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.book(d, 1, len(d.data)); err != nil {
		return err
	}
	s.last++
	d.node, d.used = nodeID(draftKind, s.last), time.Now()
	if open {
		d.handles = 1
	}
	s.byNode[d.node] = d
	s.list(d)
	s.schedule()
	return nil
}

// reserve books what d needs to have size bytes.
func (s *drafts) reserve(d *draft, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byNode[d.node] != d {
		return errLost
	}
	return s.book(d, 0, max(size-d.booked, 0))
}

// shrunk gives back what d does not need for size bytes.
func (s *drafts) shrunk(d *draft, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byNode[d.node] == d {
		s.unbook(d, 0, max(d.booked-size, 0))
	}
}

// book and unbook need the lock.
func (s *drafts) book(d *draft, number, bytes int) error {
	t := s.byUser[d.uid]
	if t.number+number > s.limit.number || t.bytes+bytes > s.limit.bytes {
		return ErrQuota
	}
	s.byUser[d.uid] = taken{t.number + number, t.bytes + bytes}
	d.booked += bytes
	return nil
}

func (s *drafts) unbook(d *draft, number, bytes int) {
	t := s.byUser[d.uid]
	s.byUser[d.uid] = taken{t.number - number, t.bytes - bytes}
	d.booked -= bytes
	if s.byUser[d.uid] == (taken{}) {
		delete(s.byUser, d.uid)
	}
}

// bookDir and unbookDir count a directory that a user made as a draft.
func (s *drafts) bookDir(uid uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book(&draft{uid: uid}, 1, 0)
}

func (s *drafts) unbookDir(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unbook(&draft{uid: uid}, 1, 0)
}

// total returns what all users' drafts take.
func (s *drafts) total() (t taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.byUser {
		t.number, t.bytes = t.number+u.number, t.bytes+u.bytes
	}
	return t
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
	return slices.Clone(s.byPath[path])
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
	for _, d := range slices.Backward(at) {
		if d.process == process {
			return d, true
		}
	}
	return nil, false
}

// open and closed count the handles of a draft.
func (s *drafts) open(node uint64) (*draft, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.byNode[node]
	if ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.handles++
	}
	return d, ok
}

func (s *drafts) closed(d *draft) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.mu.Lock()
	d.handles--
	d.used = time.Now()
	useless := d.handles == 0 && (d.settled || !d.touched && !d.empty)
	d.mu.Unlock()
	if useless {
		s.remove(d)
	}
}

// move gives a draft another path.
func (s *drafts) move(d *draft, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byNode[d.node] != d {
		return
	}
	s.unlist(d)
	d.mu.Lock()
	d.path, d.used, d.settled = to, time.Now(), false
	d.mu.Unlock()
	s.list(d)
}

// drop forgets a draft that was unlinked. Handles that are still open on it
// write into nothing.
func (s *drafts) drop(d *draft) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.mu.Lock()
	d.gone = true
	d.mu.Unlock()
	s.retire(d)
}

// settle takes a draft out of the way of others, since it has become part of a
// record or was refused, unless it was written again meanwhile. While it is open
// it keeps its inode; a later write makes it a candidate again (see revive).
func (s *drafts) settle(h half) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.mu.Lock()
	same := h.edit == h.at
	h.mu.Unlock()
	if same {
		s.retire(h.draft)
	}
}

// retire needs the lock.
func (s *drafts) retire(d *draft) {
	s.unlist(d)
	d.mu.Lock()
	d.settled = true
	open := d.handles > 0
	d.mu.Unlock()
	if !open {
		s.remove(d)
	}
}

// revive brings a settled draft back that was written again.
func (s *drafts) revive(d *draft) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.mu.Lock()
	back := d.settled && !d.gone
	d.settled = d.settled && d.gone
	d.mu.Unlock()
	if back {
		s.list(d)
	}
}

// remove, list and unlist need the lock.
func (s *drafts) remove(d *draft) {
	if s.byNode[d.node] != d {
		return
	}
	s.unlist(d)
	delete(s.byNode, d.node)
	s.unbook(d, 1, d.booked)
}

func (s *drafts) list(d *draft) {
	path := d.location()
	s.byPath[path] = append(s.byPath[path], d)
}

func (s *drafts) unlist(d *draft) {
	path := d.location()
	kept := slices.DeleteFunc(s.byPath[path], func(o *draft) bool { return o == d })
	if len(kept) == 0 {
		delete(s.byPath, path)
		return
	}
	s.byPath[path] = kept
}
