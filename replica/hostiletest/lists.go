package hostiletest

import (
	"bufio"
	"io"
	"slices"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/network"
)

// requests reads the requests of a stream one by one.
func requests(s network.Stream, with func(wire.Message) error) {
	r := bufio.NewReader(s)
	for {
		asked, err := wire.Read(r, wire.MaxRequest)
		if err != nil || with(asked) != nil {
			return
		}
	}
}

// having answers that it has nothing, as somebody new does.
func (m *Member) having(s network.Stream) {
	m.listing(func() (summary.Tree, []wire.Head) { return summary.Tree{}, nil })(s)
}

// listing answers every pull by what the function returns when the stream begins, and every request with those
// heads of it that were asked for.
func (m *Member) listing(list func() (summary.Tree, []wire.Head)) func(network.Stream) {
	return func(s network.Stream) {
		tree, heads := list()
		requests(s, func(asked wire.Message) error {
			m.acted()
			switch asked := asked.(type) {
			case wire.Root:
				return wire.Write(s, wire.Root{Hash: tree.Hash()})
			case wire.Look:
				return look(s, asked, tree)
			case wire.Want:
				return give(s, asked, heads)
			}
			return nil
		})
	}
}

func look(s network.Stream, asked wire.Look, tree summary.Tree) error {
	for _, p := range asked.Prefixes {
		if err := wire.Write(s, tree.At(p).Message()); err != nil {
			return err
		}
	}
	return nil
}

func give(s network.Stream, asked wire.Want, heads []wire.Head) error {
	for _, h := range heads {
		if !slices.Contains(asked.Keys, wire.KeyOf(h.Name)) {
			continue
		}
		if err := wire.Write(s, h); err != nil {
			return err
		}
	}
	return wire.Write(s, wire.End{})
}

// listed returns a tree of heads as they are, or as if each were later by so much.
func listed(heads []wire.Head, later int64) (tree summary.Tree) {
	for _, h := range heads {
		tree = tree.Put(promise(h.Name, h.Version+later))
	}
	return tree
}

// hasNothing answers that it does not have a content.
func (m *Member) hasNothing(s network.Stream) {
	requests(s, func(wire.Message) error { m.acted(); return wire.Write(s, wire.Offer{}) })
}

// offering answers every request for a content with bytes, whatever was asked for.
func (m *Member) offering(content []byte) func(network.Stream) {
	return func(s network.Stream) {
		requests(s, func(wire.Message) error {
			m.acted()
			if err := wire.Write(s, wire.Offer{Held: true, Size: uint32(len(content))}); err != nil {
				return err
			}
			_, err := s.Write(content)
			return err
		})
	}
}

// silent answers nothing until the other side gives up.
func (m *Member) silent(s network.Stream) {
	m.acted()
	_, _ = io.Copy(io.Discard, s)
}
