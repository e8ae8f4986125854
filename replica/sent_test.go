package replica_test

import (
	"maps"
	"sync"

	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// traffic counts what hosts send in streams. The library's own counter counts by real time.
type traffic struct {
	metrics.Reporter // nobody asks it

	mu   sync.Mutex
	sent map[protocol.ID]int
}

func newTraffic() *traffic { return &traffic{sent: make(map[protocol.ID]int)} }

func (*traffic) LogSentMessage(int64)                             {}
func (*traffic) LogRecvMessage(int64)                             {}
func (*traffic) LogRecvMessageStream(int64, protocol.ID, peer.ID) {}
func (c *traffic) LogSentMessageStream(n int64, id protocol.ID, _ peer.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent[id] += int(n)
}

// byProtocol returns how many bytes were sent until now; negotiation has no protocol.
func (c *traffic) byProtocol() map[protocol.ID]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.sent)
}
