package hostiletest

import (
	"context"
	"time"

	"dmfs/replica/internal/summary"
	"dmfs/replica/internal/wire"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
)

// prepareContacts has it list thousands of peers that there are not, other ones each time.
func prepareContacts(_ context.Context, m *Member) error {
	m.answers(contacts1, m.listing(func() (tree summary.Tree, _ []wire.Head) {
		for range 5000 {
			e := summary.Entry{Version: time.Now().UnixNano(), Stamp: wire.Stamp{1}}
			copy(e.Key[:], noise(len(e.Key)))
			tree = tree.Put(e)
		}
		return tree, nil
	}))
	return nil
}

// tellContacts has the node look at the list, by showing that it differs.
func tellContacts(ctx context.Context, m *Member, node peer.ID, _ int) {
	s, err := m.open(ctx, node, contacts1)
	if err != nil {
		return
	}
	defer s.Reset()
	if wire.Write(s, wire.Root{Hash: wire.Hash(noise(16))}) == nil {
		m.acted()
	}
	_, _ = s.Read(make([]byte, 64))
}

// prepareRestless has it say that it is reached elsewhere, whenever it is asked.
func prepareRestless(_ context.Context, m *Member) error {
	m.answers(contacts1, func(s network.Stream) {
		said, entry, err := m.contact()
		if err != nil {
			return
		}
		tree := summary.Tree{}.Put(entry)
		requests(s, func(asked wire.Message) error {
			switch asked := asked.(type) {
			case wire.Root:
				return wire.Write(s, wire.Root{Hash: tree.Hash()})
			case wire.Look:
				return look(s, asked, tree)
			}
			_, err := s.Write(framed(said, wire.End{}))
			return err
		})
	})
	return nil
}

// contact signs where it is reached, as of now.
func (m *Member) contact() (said wire.Contact, entry summary.Entry, err error) {
	now := uint64(time.Now().UnixNano())
	id := m.host.ID()
	envelope, err := record.Seal(&peer.PeerRecord{PeerID: id, Addrs: m.host.Addrs(), Seq: now}, m.host.Peerstore().PrivKey(id))
	if err != nil {
		return said, entry, err
	}
	said = wire.Contact{Chain: m.cfg.Chain.DER()}
	said.Envelope, err = envelope.Marshal()
	return said, summary.Entry{
		Key: wire.KeyOfContact(string(id)), Version: int64(now), Name: string(id), Stamp: wire.StampOfContact(envelope.RawPayload),
	}, err
}

// knock connects and leaves, again and again.
func knock(_ context.Context, m *Member, node peer.ID, _ int) {
	_ = m.host.Network().ClosePeer(node)
	m.acted()
}

// crowd connects many times over, from hosts that all show the one certificate, and stays.
func crowd(ctx context.Context, m *Member, node peer.ID, round int) {
	const most = 50
	if round >= most {
		m.acted()
		pause(ctx, time.Second)
		return
	}
	twin, err := New(m.cfg)
	if err != nil {
		return
	}
	context.AfterFunc(ctx, func() { _ = twin.Close() })
	for _, info := range m.nodes {
		if info.ID == node && twin.connect(ctx, info) {
			m.acted()
		}
	}
}
