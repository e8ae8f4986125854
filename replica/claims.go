package replica

import (
	"sync"

	"dmfs/replica/internal/wire"
)

// claims are the items that some peer was asked for and has not sent yet. Another peer is asked for others
// first: it is an order, and nobody is relied on.
type claims struct {
	mu    sync.Mutex
	items map[wire.Item]bool
}

// split returns the items that nobody has claimed, and claims them, and the others.
func (c *claims) split(items []wire.Item) (mine, theirs []wire.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items == nil {
		c.items = make(map[wire.Item]bool)
	}
	for _, it := range items {
		if c.items[it] {
			theirs = append(theirs, it)
			continue
		}
		c.items[it] = true
		mine = append(mine, it)
	}
	return mine, theirs
}

func (c *claims) release(items []wire.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		delete(c.items, it)
	}
}
