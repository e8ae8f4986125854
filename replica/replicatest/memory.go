package replicatest

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
)

// memoryHost is a host without transports: its streams are wires in memory. Connections come with the
// events that identify would make. What replica does not use of host.Host panics.
type memoryHost struct {
	host.Host
	wires  *wires
	number int
	id     peer.ID
	key    crypto.PrivKey
	bus    event.Bus

	connectedness, identified event.Emitter

	mu       sync.Mutex
	handlers map[protocol.ID]network.StreamHandler
	events   []any // not told yet
	telling  bool
}

// newMemoryHost makes a host that is not reachable before it listens.
func newMemoryHost(w *wires, number int, identity ed25519.PrivateKey) (*memoryHost, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(identity)
	if err != nil {
		return nil, err
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	h := &memoryHost{wires: w, number: number, id: id, key: key, bus: eventbus.NewBus(), handlers: make(map[protocol.ID]network.StreamHandler)}
	if h.connectedness, err = h.bus.Emitter(new(event.EvtPeerConnectednessChanged)); err != nil {
		return nil, err
	}
	h.identified, err = h.bus.Emitter(new(event.EvtPeerIdentificationCompleted))
	return h, err
}

func (h *memoryHost) ID() peer.ID                      { return h.id }
func (h *memoryHost) Addrs() []ma.Multiaddr            { return []ma.Multiaddr{memoryAddr(h.number)} }
func (h *memoryHost) Network() network.Network         { return memoryNetwork{h: h} }
func (h *memoryHost) EventBus() event.Bus              { return h.bus }
func (h *memoryHost) ConnManager() connmgr.ConnManager { return connmgr.NullConnMgr{} }
func (h *memoryHost) Peerstore() peerstore.Peerstore   { return memoryStore{key: h.key} }

// memoryAddr is where the host with a number is; nobody ever looks.
func memoryAddr(number int) ma.Multiaddr {
	return ma.StringCast(fmt.Sprintf("/ip4/10.0.0.%d/udp/7946/quic-v1", number+1))
}

func (h *memoryHost) SetStreamHandler(p protocol.ID, f network.StreamHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[p] = f
}

func (h *memoryHost) RemoveStreamHandler(p protocol.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.handlers, p)
}

// handler returns who serves the first of the protocols that is spoken here.
func (h *memoryHost) handler(protos []protocol.ID) (protocol.ID, network.StreamHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range protos {
		if f := h.handlers[p]; f != nil {
			return p, f
		}
	}
	return "", nil
}

func (h *memoryHost) protocols() (all []protocol.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p := range h.handlers {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

func (h *memoryHost) Connect(ctx context.Context, info peer.AddrInfo) error {
	return h.wires.connect(ctx, h, info.ID)
}

func (h *memoryHost) NewStream(ctx context.Context, id peer.ID, protos ...protocol.ID) (network.Stream, error) {
	return h.wires.stream(ctx, h, id, protos)
}

func (h *memoryHost) Close() error {
	h.wires.leave(h)
	return nil
}

// met and parted tell that a connection was made or broken, in that order.
func (h *memoryHost) met(other *memoryHost) {
	h.tell(event.EvtPeerConnectednessChanged{Peer: other.id, Connectedness: network.Connected},
		event.EvtPeerIdentificationCompleted{
			Peer: other.id, Protocols: other.protocols(), ListenAddrs: other.Addrs(), AgentVersion: "dmfs/test",
		})
}

func (h *memoryHost) parted(other *memoryHost) {
	h.tell(event.EvtPeerConnectednessChanged{Peer: other.id, Connectedness: network.NotConnected})
}

func (h *memoryHost) tell(events ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, events...)
	if !h.telling {
		h.telling = true
		go h.tellAll()
	}
}

func (h *memoryHost) tellAll() {
	for {
		h.mu.Lock()
		if h.telling = len(h.events) > 0; !h.telling {
			h.mu.Unlock()
			return
		}
		ev := h.events[0]
		h.events = h.events[1:]
		h.mu.Unlock()
		emitter := h.connectedness
		if _, ok := ev.(event.EvtPeerIdentificationCompleted); ok {
			emitter = h.identified
		}
		_ = emitter.Emit(ev) // fails only for an event of another kind
	}
}

// memoryNetwork is what replica uses of network.Network.
type memoryNetwork struct {
	network.Network
	h *memoryHost
}

// Listen makes the host reachable.
func (n memoryNetwork) Listen(...ma.Multiaddr) error {
	n.h.wires.mu.Lock()
	defer n.h.wires.mu.Unlock()
	n.h.wires.hosts[n.h.id] = n.h
	return nil
}

// ListenAddresses says nothing: a host's Addrs do.
func (n memoryNetwork) ListenAddresses() []ma.Multiaddr { return nil }

func (n memoryNetwork) Connectedness(id peer.ID) network.Connectedness {
	if n.h.wires.conn(n.h.id, id) == nil {
		return network.NotConnected
	}
	return network.Connected
}

func (n memoryNetwork) Peers() (ids []peer.ID) {
	for _, c := range n.h.wires.all() {
		if c.local == n.h {
			ids = append(ids, c.remote.id)
		}
	}
	return ids
}

// ConnsToPeer shows none, as replica would ping them; Connectedness tells.
func (n memoryNetwork) ConnsToPeer(peer.ID) []network.Conn { return nil }

func (n memoryNetwork) ClosePeer(id peer.ID) error {
	n.h.wires.sever(n.h.id, id)
	return nil
}

// memoryStore knows its host's key and nothing else.
type memoryStore struct {
	peerstore.Peerstore
	key crypto.PrivKey
}

func (s memoryStore) PrivKey(peer.ID) crypto.PrivKey { return s.key }
func (memoryStore) Addrs(peer.ID) []ma.Multiaddr     { return nil }
func (memoryStore) Get(peer.ID, string) (any, error) { return nil, peerstore.ErrNotFound }

// conn is one end of a connection.
type conn struct {
	network.Conn
	wires         *wires
	local, remote *memoryHost
}

func (c *conn) ID() string                    { return c.local.id.String() + c.remote.id.String() }
func (c *conn) LocalPeer() peer.ID            { return c.local.id }
func (c *conn) RemotePeer() peer.ID           { return c.remote.id }
func (c *conn) RemoteMultiaddr() ma.Multiaddr { return memoryAddr(c.remote.number) }
