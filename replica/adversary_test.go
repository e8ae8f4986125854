package replica_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	mallory = 666         // the adversary's number
	space   = "telemetry" // the namespace of the besieged network
)

// siege is three honest nodes of a network, of which the last two know only the first, and an adversary
// with a valid certificate, which is connected to all of them.
type siege struct {
	policy  *trust.Policy
	lenient *trust.Policy // admits what the nodes may not
	nodes   []*memberNode
	bad     *adversary
	written int
}

// adversary is a libp2p host with a member's identity and certificate, and no key of any file.
type adversary struct {
	stranger
	self  *trust.Signer
	chain trust.Chain
	log   *logged

	sync, fetch, contacts protocol.ID
}

// besiege starts the nodes. The adversary is not connected yet: it first says what it answers.
func besiege(t *testing.T, change func(*trust.Rules), names ...string) *siege {
	t.Helper()
	s := &siege{policy: networkPolicy(t, func(r *trust.Rules) {
		r.Namespaces = []string{space}
		if change != nil {
			change(r)
		}
	}, append(names, "fresh")...)}
	s.lenient = networkPolicy(t, func(r *trust.Rules) { r.Namespaces = []string{space} }, append(names, "fresh")...)
	for i := range 3 {
		n := named(t, i, s.policy)
		n.Config.SyncInterval = time.Hour // nothing shall depend on the timer
		if i > 0 {
			n.Config.Bootstrap = s.nodes[0].Replica.Addrs()
		}
		n.Start(t)
		s.nodes = append(s.nodes, n)
	}
	s.bad = newAdversary(t, mallory, s.policy, certify(t, authority, keyOf(mallory), "mallory", -time.Hour, time.Hour))
	return s
}

// newAdversary makes one with the identity of the i-th node.
func newAdversary(t *testing.T, i int, p *trust.Policy, c trust.Chain) *adversary {
	t.Helper()
	o := newOutsider(t, i, overQUIC, func(log *slog.Logger) []libp2p.Option {
		return append(replica.Outsider(t.Context(), p, log, c), libp2p.ResourceManager(&network.NullResourceManager{}))
	})
	protos := replica.ProtocolsOf(p.Network())
	a := &adversary{
		stranger: stranger{host: o.host}, self: trusttest.Signer(1000 + i), chain: c,
		sync: protos[0], fetch: protos[1], contacts: protos[3], log: o.log,
	}
	a.having(true)
	a.offers(func(st network.Stream, _ [64]byte) { wire.Write(st, wire.Offer{}) })
	return a
}

// attack connects the adversary to all nodes.
func (s *siege) attack(t *testing.T) {
	t.Helper()
	s.bad.connect(t, s.honest()...)
	replicatest.Eventually(t, "all know the adversary", func() bool {
		for _, n := range s.nodes {
			if !n.sees(mallory) {
				return false
			}
		}
		return true
	})
}

func (s *siege) honest() (nodes []*replicatest.Node) {
	for _, n := range s.nodes {
		nodes = append(nodes, n.Node)
	}
	return nodes
}

// works has each honest node publish something new, small and large, which reaches all the others.
func (s *siege) works(t *testing.T) {
	t.Helper()
	for _, n := range s.nodes {
		for _, size := range []int{100, 100_000} {
			s.written++
			rec := s.sign(t, "fresh", pattern(size, byte(s.written)), v0+trust.Version(s.written))
			n.Write(t, rec)
			replicatest.AwaitHeld(t, s.honest(), rec)
		}
	}
}

// sign signs a version of a file.
func (s *siege) sign(t *testing.T, name string, content []byte, v trust.Version) trust.Record {
	t.Helper()
	return s.signBy(t, signer, trust.Chain{}, trust.Statement{Name: trusttest.Name(t, name), Version: v}, content)
}

// signOwn signs a version of a name in the adversary's namespace, which is its right.
func (s *siege) signOwn(t *testing.T, name string, content []byte, v trust.Version) trust.Record {
	t.Helper()
	return s.signBy(t, s.bad.self, s.bad.chain, trust.Statement{Name: s.bad.own(t, name), Version: v}, content)
}

// own returns a name below the adversary's directory.
func (a *adversary) own(t *testing.T, name string) trust.Name {
	t.Helper()
	return trusttest.Name(t, space+"/"+base64Of(a.self.Public().Key)+"/"+name)
}

func (s *siege) signBy(t *testing.T, by *trust.Signer, c trust.Chain, st trust.Statement, content []byte) trust.Record {
	t.Helper()
	st.Network = s.policy.Network()
	sig, err := by.Sign(trust.DigestOf(content), st)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := s.lenient.Verify(trust.NewClaim(st.Name, sig, content).WithCertificate(c), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// logged waits until each node has blamed the adversary, by its name, for something, in the log and where it tells
// of its peers, and wants it once in the log.
func (s *siege) logged(t *testing.T, fault string) {
	t.Helper()
	for i, n := range s.nodes {
		replicatest.Eventually(t, fmt.Sprintf("node %d says that the adversary %s", i, fault), func() bool {
			return n.log.count("misbehave", "name=mallory", fault) > 0 && n.faultOf(keyOf(mallory), fault).Count > 0
		})
	}
	s.bounded(t)
}

// bounded wants nothing of the adversary to have grown out of bounds.
func (s *siege) bounded(t *testing.T) {
	t.Helper()
	for i, n := range s.nodes {
		if lines, faults := n.log.count("misbehave", "name=mallory"), 9; lines > faults {
			t.Errorf("node %d: %d lines in the log about the adversary", i, lines)
		}
		if kept, most := n.Replica.Kept(s.bad.host.ID()); kept > most {
			t.Errorf("node %d keeps %d things of the adversary", i, kept)
		}
		replicatest.Eventually(t, fmt.Sprintf("node %d serves few streams of the adversary", i), func() bool {
			return n.Replica.StreamsOf(s.bad.host.ID()) <= 8
		})
		if refused := len(n.Index.Refusals()); refused > 256 {
			t.Errorf("node %d remembers %d refusals", i, refused)
		}
	}
}

// untilTheEnd repeats an act of the adversary until the test ends.
func untilTheEnd(t *testing.T, act func(round int)) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for round := 0; ctx.Err() == nil; round++ {
			act(round)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
}

// gossip sends messages to one node in gossipsub's own frames, past every queue, and returns when the node
// has read all of them or has had enough.
func (a *adversary) gossip(t *testing.T, n *memberNode, messages ...[]byte) {
	ctx, cancel := context.WithTimeout(t.Context(), replicatest.Patience)
	defer cancel()
	st, err := a.host.NewStream(ctx, n.id(t), pubsub.GossipSubID_v11)
	if err != nil {
		return // the node has closed the connection
	}
	defer st.Reset()
	st.SetDeadline(time.Now().Add(replicatest.Patience))
	var frame []byte
	for _, m := range messages {
		published := protobuf(2, append(protobuf(2, m), protobuf(4, []byte("/dmfs/"+topicID()+"/heads/1"))...))
		if len(frame)+len(published) > 60<<10 {
			if !send(st, frame) {
				return
			}
			frame = nil
		}
		frame = append(frame, published...)
	}
	if send(st, frame) && st.CloseWrite() == nil {
		io.Copy(io.Discard, st)
	}
}

func send(st network.Stream, frame []byte) bool {
	_, err := st.Write(append(binary.AppendUvarint(nil, uint64(len(frame))), frame...))
	return err == nil
}

// protobuf encodes one field of bytes.
func protobuf(field byte, b []byte) []byte {
	return append(binary.AppendUvarint([]byte{field<<3 | 2}, uint64(len(b))), b...)
}

// encoded returns the gossip that tells of records.
func encoded(recs ...trust.Record) (messages [][]byte) {
	for _, rec := range recs {
		messages = append(messages, wire.Encode(headOf(rec, true)))
	}
	return messages
}

// listens has the adversary take part in gossip like any node, and pass on what it likes to.
func (a *adversary) listens(t *testing.T, pass func(data []byte) bool) {
	t.Helper()
	ps, err := pubsub.NewGossipSub(t.Context(), a.host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return string(m.GetData()) }))
	if err != nil {
		t.Fatal(err)
	}
	topic := "/dmfs/" + topicID() + "/heads/1"
	judge := func(_ context.Context, _ peer.ID, m *pubsub.Message) bool { return pass(m.Data) }
	if err := ps.RegisterTopicValidator(topic, judge); err != nil {
		t.Fatal(err)
	}
	if a.topic, err = ps.Join(topic); err != nil {
		t.Fatal(err)
	}
	if _, err := a.topic.Relay(); err != nil {
		t.Fatal(err)
	}
}

// member makes one more client with a certificate, which is no node of ours either.
func (s *siege) member(t *testing.T, i int, name string) *adversary {
	t.Helper()
	return newAdversary(t, i, s.policy, certify(t, authority, keyOf(i), name, -time.Hour, time.Hour))
}

// knows reports whether a node is connected to the i-th one or dials it.
func (m *memberNode) knows(i int) bool {
	return slices.ContainsFunc(m.Replica.Peers(), func(p replica.Peer) bool {
		return p.ID == replica.PeerID(keyOf(i)) && p.Addr != "" // else it is told of for its faults alone
	})
}

// faultOf returns the fault that a node finds in somebody, by a part of its text; zero when it does not.
func (m *memberNode) faultOf(k trust.Key, text string) replica.Fault {
	for _, p := range m.Replica.Peers() {
		for _, f := range p.Faults {
			if p.ID == replica.PeerID(k) && strings.Contains(f.Text, text) {
				return f
			}
		}
	}
	return replica.Fault{}
}
