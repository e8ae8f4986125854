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
	maxRefusals = 256
	maxSentence = 1024
)

type refusals struct {
	mu   sync.Mutex
	list []Refused // newest last, one per name
}

// Refuse notes that something was refused, in memory: the last refusal of each name, for at most 256
// names, each text cut to 1024 bytes.
func (ix *Index) Refuse(r Refused) {
	for _, text := range []*string{&r.Name, &r.Origin, &r.Reason, &r.Hint} {
		*text = (*text)[:min(len(*text), maxSentence)]
	}
	s := &ix.refused
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(o Refused) bool { return o.Name == r.Name })
	s.list = append(s.list, r)
	s.list = slices.Delete(s.list, 0, max(0, len(s.list)-maxRefusals))
}

// Refusals returns the last refusal of each name, the newest last.
func (ix *Index) Refusals() []Refused {
	ix.refused.mu.Lock()
	defer ix.refused.mu.Unlock()
	return slices.Clone(ix.refused.list)
}
