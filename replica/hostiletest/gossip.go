package hostiletest

import (
	"context"
	"encoding/binary"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// frameSize is how much goes into one of gossipsub's frames, in bytes.
const frameSize = 60 << 10

// gossip sends messages to one node in gossipsub's own frames, past every queue, as fast as they are read.
func (m *Member) gossip(ctx context.Context, node peer.ID, messages ...[]byte) {
	var frame []byte
	frames := [][]byte{}
	for _, data := range messages {
		published := field(2, append(field(2, data), field(4, []byte(m.topic()))...))
		if len(frame)+len(published) > frameSize {
			frames, frame = append(frames, frame), nil
		}
		frame = append(frame, published...)
	}
	m.send(ctx, node, append(frames, frame)...)
}

// send sends frames on a stream of gossipsub's own.
func (m *Member) send(ctx context.Context, node peer.ID, frames ...[]byte) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "hostile"), 5*time.Second)
	defer cancel()
	s, err := m.host.NewStream(ctx, node, pubsub.GossipSubID_v11)
	if err != nil {
		return
	}
	defer s.Reset()
	if s.SetDeadline(time.Now().Add(30*time.Second)) != nil {
		return
	}
	for _, frame := range frames {
		if _, err := s.Write(append(binary.AppendUvarint(nil, uint64(len(frame))), frame...)); err != nil {
			return
		}
		m.acted()
	}
	_ = s.CloseWrite()             // and then wait until the node has read it
	_, _ = s.Read(make([]byte, 1)) // it answers nothing here
}

// field encodes one field of bytes in the way of protocol buffers.
func field(number byte, b []byte) []byte {
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(b))), b...)
}

// controls is a frame full of gossipsub's own messages: of what it pretends to have, wants, and joins.
func controls(topic string, round int) (frame []byte) {
	var have, want []byte
	have = field(1, []byte(topic))
	for i := range 500 {
		id := binary.BigEndian.AppendUint64(make([]byte, 24), uint64(round*500+i))
		have, want = append(have, field(2, id)...), append(want, field(1, id)...)
	}
	control := append(field(1, have), field(2, want)...)
	for range 500 {
		control = append(control, field(3, field(1, []byte(topic)))...)
		control = append(control, field(4, field(1, []byte(topic)))...)
	}
	return field(3, control)
}

// swallow has it take part in gossip like any node, and pass on nothing.
func (m *Member) swallow(ctx context.Context) error {
	ps, err := pubsub.NewGossipSub(ctx, m.host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithMessageIdFn(func(msg *pb.Message) string { return string(msg.GetData()) }))
	if err != nil {
		return err
	}
	keep := func(_ context.Context, _ peer.ID, _ *pubsub.Message) bool {
		m.acted()
		return false
	}
	if err := ps.RegisterTopicValidator(m.topic(), keep); err != nil {
		return err
	}
	topic, err := ps.Join(m.topic())
	if err != nil {
		return err
	}
	_, err = topic.Relay()
	return err
}
