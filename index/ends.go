package index

import (
	"container/heap"
	"time"

	"dmfs/trust"
)

// ends are the moments at which held versions are over, the nearest one first. Only the writer
// touches them.
type ends struct {
	queue  queue
	byName map[trust.Name]*ending
}

// An ending is the first moment at which what is held for a name is no longer valid.
type ending struct {
	name trust.Name
	at   time.Time
	pos  int // in the queue
}

// set says when a name's held version is over; the zero time is never.
func (s *ends) set(n trust.Name, at time.Time) {
	e := s.byName[n]
	switch {
	case e == nil && at.IsZero():
	case e == nil:
		e = &ending{name: n, at: at}
		s.byName[n] = e
		heap.Push(&s.queue, e)
	case at.IsZero():
		heap.Remove(&s.queue, e.pos)
		delete(s.byName, n)
	default:
		e.at = at
		heap.Fix(&s.queue, e.pos)
	}
}

// next returns the nearest end.
func (s *ends) next() (at time.Time, ok bool) {
	if len(s.queue) == 0 {
		return time.Time{}, false
	}
	return s.queue[0].at, true
}

// due returns names whose end has come. They stay: what becomes of them says when they end.
func (s *ends) due(now time.Time, most int) (names []trust.Name) {
	// Those below a later end are later still, so this looks at few more than it returns.
	for look := []int{0}; len(look) > 0 && len(names) < most; {
		i := look[len(look)-1]
		look = look[:len(look)-1]
		if i < len(s.queue) && !now.Before(s.queue[i].at) {
			names = append(names, s.queue[i].name)
			look = append(look, 2*i+1, 2*i+2)
		}
	}
	return names
}

// A queue is a heap of ends that know their places.
type queue []*ending

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].pos, q[j].pos = i, j
}

func (q *queue) Push(x any) {
	e := x.(*ending)
	e.pos = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
