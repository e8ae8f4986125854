package index

import (
	"slices"
	"sync"
	"time"
)

// Refused is the last refusal of one name.
type Refused struct {
	Name   string // as it was proposed, perhaps no valid name
	Origin string
	Reason string // a sentence for people
	Hint   string // what to do next
	Err    error
	At     time.Time
}

const (
	maxNotes    = 256
	maxSentence = 1024
)

// notes keeps the last note of each name, in memory.
type notes[T any] struct {
	mu   sync.Mutex
	list []T // newest last
}

// add replaces a name's note.
func (s *notes[T]) add(note T, sameName func(T) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(slices.DeleteFunc(s.list, sameName), note)
	s.list = slices.Delete(s.list, 0, max(0, len(s.list)-maxNotes))
}

// all returns the notes, the newest last.
func (s *notes[T]) all() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// Refuse notes that something was refused, in memory: the last refusal of each name, for at most 256
// names, each text cut to 1024 bytes.
func (ix *Index) Refuse(r Refused) {
	for _, text := range []*string{&r.Name, &r.Origin, &r.Reason, &r.Hint} {
		*text = (*text)[:min(len(*text), maxSentence)]
	}
	ix.refused.add(r, func(o Refused) bool { return o.Name == r.Name })
	if tell := ix.refusing.Load(); tell != nil {
		(*tell)(r)
	}
}

// OnRefuse has tell called with all that is refused from now on, by whoever refuses it: it must return
// soon, and may be called by several goroutines at once.
func (ix *Index) OnRefuse(tell func(Refused)) { ix.refusing.Store(&tell) }

// Refusals returns the last refusal of each name, the newest last.
func (ix *Index) Refusals() []Refused { return ix.refused.all() }
