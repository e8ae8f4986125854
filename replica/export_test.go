package replica

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"io"
	"log/slog"
	"net"
	"time"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

// StartWith is Start with more options for the host.
func StartWith(ctx context.Context, cfg Config, ix *index.Index, extra ...libp2p.Option) (*Replica, error) {
	return start(ctx, cfg, ix, extra...)
}

// SetClock has a node judge what peers send by this clock.
func (c *Config) SetClock(now func() time.Time) { c.now = now }

// HasMet reports whether a peer that we met has told where it is reached.
func (r *Replica) HasMet(id peer.ID) bool {
	c, ok := r.book.get(id)
	return ok && !c.met.IsZero()
}

// SetCrowd has a node choose among peers when there are more than so many.
func (c *Config) SetCrowd(all, few, some int) { c.crowd = crowd{all, few, some} }

// Chosen returns the peers that the node has chosen.
func (r *Replica) Chosen() (ids []string) {
	for _, m := range r.members.all() {
		if m.chosen.Load() {
			ids = append(ids, m.id.String())
		}
	}
	return ids
}

// ClockSet tells the replica that its clock was set, which it notices by itself after a minute.
func (r *Replica) ClockSet() { notify(r.awaited) }

// Host returns the host, so that a test may cut connections.
func (r *Replica) Host() host.Host { return r.host }

// Judge has the topic's validator judge bytes from a peer.
func (r *Replica) Judge(from peer.ID, data []byte) pubsub.ValidationResult {
	return r.judge(context.Background(), from, &pubsub.Message{Message: &pb.Message{Data: data}, ReceivedFrom: from})
}

// Names returns what the network without a key uses.
func Names() (sync, fetch protocol.ID, topic string) {
	n := namesOf([32]byte{})
	return n.sync, n.fetch, n.topic
}

// Outsider returns the options of a host that takes part in the handshake of the policy's network with
// whatever certificate it likes. It logs what became of its handshakes.
func Outsider(ctx context.Context, p *trust.Policy, log *slog.Logger, c trust.Chain) []libp2p.Option {
	a := &admission{
		ctx: ctx, security: protocol.ID("/dmfs/" + idOf(p.Network()) + "/noise/1"),
		certificate: func() trust.Chain { return c },
		policy:      func() *trust.Policy { return p },
		log:         log, told: &told{}, efforts: newEfforts(ctx), shaking: newLimiter[string](maxShakingOfOne, maxShaking),
		admitted: func(trust.Chain) {}, roll: make(map[peer.ID]proof),
	}
	return a.options()
}

// ProtocolsOf returns what the nodes of a network speak.
func ProtocolsOf(network trust.Key) []protocol.ID {
	n := namesOf(network)
	return []protocol.ID{n.sync, n.fetch, n.member, n.contacts, n.ping}
}

// Contact signs where a peer is reached.
func Contact(key crypto.PrivKey, addrs []ma.Multiaddr, seq uint64, c trust.Chain) (wire.Contact, wire.Item, error) {
	signed, err := signContact(key, addrs, seq, c.DER())
	return signed.said, signed.entry.Item(), err
}

// Pick is how peers are chosen.
func Pick(known, chosen []peer.ID, lost map[peer.ID]bool) []peer.ID {
	return usual.pick(known, chosen, lost)
}

// NewBook returns how a book of contacts takes one, of a peer that was met or not, and how many it has.
func NewBook(members bool) (add func(said wire.Contact, met bool) error, size func() int) {
	b := newBook(members)
	return func(said wire.Contact, met bool) error {
		c, err := readContact(said)
		if err != nil {
			return err
		}
		if met {
			c.met = time.Now()
		}
		_, err = b.add(c)
		return err
	}, func() int { return len(b.all()) }
}

// Told returns a memory of what was noticed: how it is told of a peer, how often it has that of each, and how
// many peers it has room for.
func Told() (tell func(id peer.ID, at time.Time) (first, last bool), counts func(at time.Time) map[peer.ID]uint64, most int) {
	t := &told{}
	tell = func(id peer.ID, at time.Time) (first, last bool) {
		_, first, last = t.tell(id, "", at)
		return first, last
	}
	counts = func(at time.Time) map[peer.ID]uint64 {
		all := make(map[peer.ID]uint64)
		peers, _ := t.of("", at)
		for id, s := range peers {
			all[id] = s.count
		}
		return all
	}
	return tell, counts, maxTold
}

// MaxShakingOfOne is how many handshakes one origin may have at once.
const MaxShakingOfOne = maxShakingOfOne

// OriginOf names who is behind an address.
func OriginOf(a net.Addr) string { return originOf(a) }

// NewResourceManager returns the one that hosts use.
func NewResourceManager() (network.ResourceManager, error) { return newResourceManager() }

// Cost is what a comparison cost.
type Cost struct{ Sent, Received, Rounds, Found int }

// Compare finds what a peer lists and we lack, and takes none of it.
func (r *Replica) Compare(id peer.ID) (cost Cost, err error) {
	m := r.members.get(id)
	x, err := r.open(r.ctx, id, r.names.sync)
	if err != nil {
		return cost, err
	}
	defer func() { x.end(err) }()
	meter := &meter{stream: x.stream, cost: &cost}
	x.r, x.w = bufio.NewReader(meter), bufio.NewWriter(meter)
	c := &comparison{x: x, r: r, m: m, mine: r.summaries.current(r.ctx)}
	if _, done, err := c.greet(); done || err != nil {
		return cost, err
	}
	_, err = c.walk(func(items []wire.Item) (bool, error) {
		cost.Found += len(items)
		return true, nil
	})
	return cost, err
}

// Reconsider forgets what could not be had from a peer.
func (r *Replica) Reconsider(id peer.ID) { r.members.get(id).reconsider() }

// MaxLooked is how many prefixes are looked at in one comparison.
const MaxLooked = maxLooked

// meter counts what passes.
type meter struct {
	stream io.ReadWriter
	cost   *Cost
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.stream.Read(p)
	m.cost.Received += n
	return n, err
}

func (m *meter) Write(p []byte) (int, error) {
	m.cost.Rounds++
	m.cost.Sent += len(p)
	return m.stream.Write(p)
}

// SignReport signs what a node holds.
func SignReport(key ed25519.PrivateKey, network trust.Key, root wire.Hash, at time.Time) wire.Report {
	return author{key: key, network: network, agent: "dmfs/signed"}.report(root, at, wire.Report{})
}

// Said returns the last report of a peer.
func (r *Replica) Said(id string) wire.Report {
	for _, c := range r.book.all() {
		if c.id.String() == id {
			return c.holds.said
		}
	}
	return wire.Report{}
}
