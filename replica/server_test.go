package replica_test

import (
	"sync/atomic"
	"testing"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
)

// server is a stranger that lists one item and has one head and one content, whatever they are.
type server struct {
	*stranger
	wants, asks, short atomic.Int32 // requests for them, and comparisons that asked for nothing
}

func newServer(t *testing.T, head wire.Head, content []byte) *server {
	t.Helper()
	it := wire.Item{Key: wire.KeyOf(head.Name), Version: head.Version, Tag: wire.StampOf(head.Version, trust.DigestOf(content), signer.Public().Key, false, 0).Tag()}
	return newLister(t, it, head, content)
}

// newLister makes one that lists any item.
func newLister(t *testing.T, it wire.Item, head wire.Head, content []byte) *server {
	t.Helper()
	s := &server{stranger: newStranger(t)}
	s.answer(syncID, func(st network.Stream, m wire.Message) {
		switch m.(type) {
		case wire.Root:
			s.short.Add(1)
			wire.Write(st, wire.Root{Hash: wire.Hash{1}})
		case wire.Look:
			s.short.Add(-1)
			wire.Write(st, wire.Leaf{Items: []wire.Item{it}})
		case wire.Want:
			s.wants.Add(1)
			wire.Write(st, head)
			wire.Write(st, wire.End{})
		}
	})
	s.answer(fetchID, func(st network.Stream, _ wire.Message) {
		s.asks.Add(1)
		wire.Write(st, wire.Offer{Held: true, Size: uint32(len(content))})
		st.Write(content)
	})
	return s
}
