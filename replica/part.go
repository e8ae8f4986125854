package replica

import (
	"context"
	"slices"
	"sync"

	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/peer"
)

// leastShared is the shortest rest that two peers share: what is shorter comes sooner from one.
const leastShared = 4 * chunk

// part is what has come of a content, from any number of peers: nothing is proved before all is here.
type part struct {
	mu      sync.Mutex
	moved   sync.Cond
	content []byte          // of the whole size; nil while that is not known
	free    []span          // what is still to be asked for
	busy    []*span         // what somebody sends now
	pieces  []piece         // of what is here, by who sent them
	sizes   map[peer.ID]int // that were offered
}

// span is a range of bytes that are not here yet.
type span struct{ at, end int }

func newPart() *part {
	p := &part{free: []span{{0, trust.MaxContent}}, sizes: make(map[peer.ID]int)}
	p.moved.L = &p.mu
	return p
}

// take returns what to ask a peer for: something that nobody sends, or else half of what is left to the peer
// that has most left. It waits while there may be something, and returns nil when all is here or ctx ends.
func (p *part) take(ctx context.Context) *span {
	defer context.AfterFunc(ctx, p.wake)()
	p.mu.Lock()
	defer p.mu.Unlock()
	for ctx.Err() == nil {
		s := p.share()
		if len(p.free) > 0 {
			s, p.free = &span{p.free[0].at, p.free[0].end}, p.free[1:]
		}
		if s != nil {
			p.busy = append(p.busy, s)
			return s
		}
		if len(p.busy) == 0 {
			return nil
		}
		p.moved.Wait()
	}
	return nil
}

// share halves the longest rest, if it is worth it. The caller holds mu.
func (p *part) share() *span {
	if p.content == nil || len(p.free) > 0 || len(p.busy) == 0 {
		return nil
	}
	most := slices.MaxFunc(p.busy, func(a, b *span) int { return (a.end - a.at) - (b.end - b.at) })
	rest := most.end - most.at
	if rest < leastShared {
		return nil
	}
	half := &span{most.end - rest/2, most.end} // so that at least a chunk is left, which may be coming now
	most.end = half.at
	return half
}

func (p *part) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved.Broadcast()
}

// give gives back what is left of what was taken.
func (p *part) give(s *span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = slices.DeleteFunc(p.busy, func(b *span) bool { return b == s })
	if s.at < s.end {
		p.free = append(p.free, *s)
	}
	p.moved.Broadcast()
}

// resize makes room for a content of the size that a peer offers, which all who send it have to agree on.
func (p *part) resize(size int, from peer.ID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sizes) < maxPieces {
		p.sizes[from] = size
	}
	if p.content == nil {
		p.content = make([]byte, size) // at most trust.MaxContent, says the offer's decoder
		for _, s := range p.busy {
			s.end = min(s.end, size)
		}
	}
	if len(p.content) != size {
		return errOtherSize
	}
	return nil
}

// room returns where the next bytes of a span go, nothing when it is complete.
func (p *part) room(s *span) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.content[s.at:max(s.at, min(s.at+chunk, s.end))]
}

// cut reports whether a span ends before the content does.
func (p *part) cut(s *span) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.end < len(p.content)
}

// came notes that a peer sent the next bytes of a span.
func (p *part) came(s *span, n int, from peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > 0 {
		p.note(piece{from, span{s.at, s.at + n}})
	}
	s.at += n
}

// got returns how much is here.
func (p *part) got() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.content)
	if p.content == nil {
		return 0
	}
	for _, s := range p.free {
		n -= s.end - s.at
	}
	for _, s := range p.busy {
		n -= s.end - s.at
	}
	return n
}

// whole reports whether all is here.
func (p *part) whole() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.content != nil && len(p.free) == 0 && len(p.busy) == 0
}
