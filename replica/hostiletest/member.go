package hostiletest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
)

// Config says who the member is and whom it attacks.
type Config struct {
	Identity  *trust.Signer
	Chain     trust.Chain // its certificate, or any other; the zero Chain is none
	Network   trust.Key
	Namespace string   // in which it may publish
	Names     []string // of files that others may sign
	Nodes     []string // multiaddrs that end in /p2p/ID
}

// Member is the hostile member. Its methods may be called from several goroutines.
type Member struct {
	cfg   Config
	host  host.Host
	nodes []peer.AddrInfo
	acts  atomic.Int64

	mu    sync.Mutex
	known map[string][]wire.Head // every version that it has learnt, by name
}

// New makes a member that is connected to nobody yet. The caller closes it.
func New(cfg Config) (*Member, error) {
	m := &Member{cfg: cfg, known: make(map[string][]wire.Head)}
	for _, text := range cfg.Nodes {
		info, err := peer.AddrInfoFromString(text)
		if err != nil {
			return nil, fmt.Errorf("node %q: %w", text, err)
		}
		m.nodes = append(m.nodes, *info)
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Identity.Ed25519())
	if err != nil {
		return nil, err
	}
	m.host, err = libp2p.New(libp2p.Identity(key), libp2p.Transport(quic.NewTransport),
		libp2p.ListenAddrStrings("/ip4/0.0.0.0/udp/0/quic-v1"), libp2p.ConnectionGater(door{cfg.Chain.DER()}),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableRelay(), libp2p.DisableMetrics())
	return m, err
}

// Close ends its connections.
func (m *Member) Close() error { return m.host.Close() }

// Acts returns how often it has done what the attack is about.
func (m *Member) Acts() int64 { return m.acts.Load() }

func (m *Member) acted() { m.acts.Add(1) }

// Attack does what has this name to every node until the context ends. It connects again whenever it is thrown
// out.
func (m *Member) Attack(ctx context.Context, name string) error {
	a, ok := attacks[name]
	if !ok {
		return fmt.Errorf("no attack is called %q", name)
	}
	m.answers(sync1, m.having)
	m.answers(fetch1, m.hasNothing)
	m.answers(contacts1, m.having)
	if a.prepare != nil {
		if err := a.prepare(ctx, m); err != nil && ctx.Err() == nil {
			return err
		}
	}
	var done sync.WaitGroup
	for _, node := range m.nodes {
		done.Go(func() { m.besiege(ctx, node, a.act) })
	}
	done.Wait()
	return nil
}

// besiege acts upon one node again and again, at once when that takes time, else a hundred times a second.
func (m *Member) besiege(ctx context.Context, node peer.AddrInfo, act func(context.Context, *Member, peer.ID, int)) {
	for round := 0; ctx.Err() == nil; round++ {
		begun := time.Now()
		if m.connect(ctx, node) && act != nil {
			act(ctx, m, node.ID, round)
		}
		pause(ctx, 10*time.Millisecond-time.Since(begun))
	}
}

// connect reports whether there is a connection by now.
func (m *Member) connect(ctx context.Context, node peer.AddrInfo) bool {
	if m.host.Network().Connectedness(node.ID) == network.Connected {
		return true
	}
	ctx, cancel := context.WithTimeout(network.WithForceDirectDial(ctx, "hostile"), 5*time.Second)
	defer cancel()
	return m.host.Connect(ctx, node) == nil
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// What is spoken: the number that stands behind these on the wire is whatever the nodes have.
const (
	sync1     = "sync"
	fetch1    = "fetch"
	contacts1 = "contacts"
)

// spoken returns a protocol in every version that there may be.
func (m *Member) spoken(what string) (ids []protocol.ID) {
	for version := 9; version > 0; version-- {
		ids = append(ids, protocol.ID(path.Join(m.prefix(), what, fmt.Sprint(version))))
	}
	return ids
}

func (m *Member) prefix() string { return fmt.Sprintf("/dmfs/%x", m.cfg.Network[:4]) }

func (m *Member) topic() string { return m.prefix() + "/heads/1" }

// open opens a stream on which nothing takes longer than half a minute.
func (m *Member) open(ctx context.Context, node peer.ID, what string) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "hostile"), 5*time.Second)
	defer cancel()
	s, err := m.host.NewStream(ctx, node, m.spoken(what)...)
	if err == nil {
		err = s.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return s, err
}

// answers has every stream of a protocol answered so.
func (m *Member) answers(what string, with func(network.Stream)) {
	for _, id := range m.spoken(what) {
		m.host.SetStreamHandler(id, func(s network.Stream) {
			defer s.Reset()
			with(s)
			_ = s.CloseWrite() // what was said shall arrive
		})
	}
}

func (m *Member) self() ed25519.PrivateKey { return m.cfg.Identity.Ed25519() }
