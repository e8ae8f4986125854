package hostiletest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// version is one of now.
func version() trust.Version { return trust.VersionAt(time.Now()) }

// prepareDigests has it list a tree without an end, another one each time.
func prepareDigests(_ context.Context, m *Member) error {
	m.answers(sync1, m.lieOfDigests)
	m.answers(contacts1, m.lieOfDigests)
	return nil
}

func (m *Member) lieOfDigests(s network.Stream) {
	requests(s, func(asked wire.Message) error {
		m.acted()
		look, ok := asked.(wire.Look)
		if !ok {
			return wire.Write(s, wire.Root{Hash: wire.Hash(noise(16))})
		}
		for _, p := range look.Prefixes {
			if err := wire.Write(s, lie(p)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lie is what is said to be below a prefix: much, in each part of it.
func lie(p wire.Prefix) wire.Message {
	if p.Depth == wire.MaxDepth && noise(1)[0] > 128 {
		return wire.Leaf{Items: []wire.Item{{Key: p.Bits, Version: time.Now().UnixNano()}}}
	}
	var n wire.Node
	for i := range n.Children {
		n.Children[i] = wire.Hash(noise(16))
	}
	return n
}

// preparePromises has it list names of others that it does not have, other versions each time.
func preparePromises(_ context.Context, m *Member) error {
	m.answers(sync1, m.listing(func() (tree summary.Tree, _ []wire.Head) {
		for i := range 1000 {
			tree = tree.Put(promise(fmt.Sprint("promise/", i), time.Now().UnixNano()))
		}
		return tree, nil
	}))
	return nil
}

// prepareLies has it offer other bytes than those that it has signed.
func prepareLies(_ context.Context, m *Member) error {
	m.answers(fetch1, m.offering(noise(100_000)))
	return nil
}

func tellLies(ctx context.Context, m *Member, node peer.ID, round int) {
	name := fmt.Sprint("lie/", round%10)
	m.gossip(ctx, node, wire.Encode(bare(m.signOwn(name, noise(100_000), version()))))
	pause(ctx, 100*time.Millisecond)
}

// moment is what all contents of an equivocation have in common.
var moment atomic.Int64

// equivocate signs other contents as of the same moment for each node.
func equivocate(ctx context.Context, m *Member, node peer.ID, _ int) {
	moment.CompareAndSwap(0, time.Now().UnixNano())
	m.gossip(ctx, node, wire.Encode(m.signOwn("both", noise(100), trust.Version(moment.Load()))))
	pause(ctx, 100*time.Millisecond)
}

// stamp signs versions of the far past and the far future.
func stamp(ctx context.Context, m *Member, node peer.ID, round int) {
	future := trust.VersionAt(time.Date(2099, 1, 1, 0, 0, 0, round, time.UTC))
	m.gossip(ctx, node, wire.Encode(m.signOwn("early", noise(100), trust.Version(round+1))),
		wire.Encode(m.signOwn("late", noise(100), future)))
	pause(ctx, 100*time.Millisecond)
}

// report is what it says that it holds, which is never the same.
func (m *Member) report() wire.Report {
	r := wire.Report{
		Author: m.cfg.Identity.Public().Key, Root: wire.Hash(noise(16)), Moment: time.Now().UnixNano(), Agent: "dmfs/hostile",
	}
	copy(r.Signature[:], signature(m.self(), r.Signed(m.cfg.Network)))
	return r
}
