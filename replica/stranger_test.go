package replica_test

import (
	"bufio"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

var syncID, fetchID, topicName = replica.Names()

// stranger is a libp2p host that does what a test likes.
type stranger struct {
	host  host.Host
	topic *pubsub.Topic
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return &stranger{host: h}
}

// gossips makes it join the topic.
func (s *stranger) gossips(t *testing.T) *pubsub.Subscription {
	t.Helper()
	ps, err := pubsub.NewGossipSub(t.Context(), s.host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithFloodPublish(true),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return string(m.GetData()) }))
	if err != nil {
		t.Fatal(err)
	}
	if s.topic, err = ps.Join(topicName); err != nil {
		t.Fatal(err)
	}
	heard, err := s.topic.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

// publish gossips bytes once somebody listens.
func (s *stranger) publish(t *testing.T, listeners int, data []byte) {
	t.Helper()
	replicatest.Eventually(t, "somebody listens", func() bool { return len(s.topic.ListPeers()) == listeners })
	if err := s.topic.Publish(t.Context(), data); err != nil {
		t.Fatal(err)
	}
}

func (s *stranger) connect(t *testing.T, nodes ...*replicatest.Node) {
	t.Helper()
	for _, n := range nodes {
		info, err := peer.AddrInfoFromString(n.Replica.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.host.Connect(t.Context(), *info); err != nil {
			t.Fatal(err)
		}
	}
}

// say opens a stream, sends bytes, and waits until the node has ended the stream.
func (s *stranger) say(t *testing.T, n *replicatest.Node, proto protocol.ID, data []byte) {
	t.Helper()
	id, err := peer.Decode(n.Replica.ID())
	if err != nil {
		t.Error(err)
		return
	}
	st, err := s.host.NewStream(t.Context(), id, proto)
	if err != nil {
		return // refused: too many at once
	}
	defer st.Reset()
	st.SetDeadline(time.Now().Add(replicatest.Patience))
	st.Write(data) // the node may have reset the stream already
	buf := make([]byte, 1<<10)
	for {
		if _, err := st.Read(buf); err != nil {
			var late interface{ Timeout() bool }
			if errors.As(err, &late) && late.Timeout() {
				t.Errorf("%s: the stream is still open", proto)
			}
			return
		}
	}
}

func (s *stranger) open(t *testing.T, n *replicatest.Node, proto protocol.ID) network.Stream {
	t.Helper()
	id, err := peer.Decode(n.Replica.ID())
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.host.NewStream(t.Context(), id, proto)
	if err != nil {
		t.Fatal(err)
	}
	st.SetDeadline(time.Now().Add(replicatest.Patience))
	return st
}

func (s *stranger) ask(t *testing.T, n *replicatest.Node, rec trust.Record) wire.Offer {
	t.Helper()
	st := s.open(t, n, fetchID)
	defer st.Reset()
	if err := wire.Write(st, wire.Ask{Key: wire.KeyOf(rec.Name().String()), Digest: rec.Digest()}); err != nil {
		t.Fatal(err)
	}
	m, err := wire.Read(bufio.NewReader(st), wire.MaxMessage)
	if err != nil {
		t.Fatal(err)
	}
	return m.(wire.Offer)
}

// answer sets a handler that gets the decoded requests of a stream one by one.
func (s *stranger) answer(proto protocol.ID, with func(network.Stream, wire.Message)) {
	s.host.SetStreamHandler(proto, func(st network.Stream) {
		defer st.Close()
		r := bufio.NewReader(st)
		for {
			m, err := wire.Read(r, wire.MaxRequest)
			if err != nil {
				return
			}
			with(st, m)
		}
	})
}

func headOf(rec trust.Record, inline bool) wire.Head {
	content, _ := rec.Content()
	h := wire.Head{
		Name: rec.Name().String(), Version: int64(rec.Version()), Signature: rec.Signature(),
		Digest: rec.Digest(), Size: uint32(len(content)),
	}
	if inline {
		h.Content = append([]byte{}, content...)
	}
	return h
}

func itemOf(rec trust.Record) wire.Item {
	return wire.Item{
		Key: wire.KeyOf(rec.Name().String()), Version: int64(rec.Version()),
		Tag: stampOf(rec).Tag(),
	}
}

func stampOf(rec trust.Record) wire.Stamp {
	return wire.StampOf(int64(rec.Version()), rec.Digest(), rec.Signer(), rec.Deleted(), rec.TTL())
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
