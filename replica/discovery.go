package replica

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"dmfs/trust"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxHints   = 16 // of mDNS that are followed at once; anybody on the LAN can give any number
	hintDialed = 4  // times, unless one works
)

// serviceOf is the name under which the members of a network look for each other on a LAN. Who does not know
// the network's id learns from it no more than that it is the same network, or another one.
func serviceOf(n trust.Key) string {
	sum := sha256.Sum256(append([]byte("dmfs mdns 1\x00"), n[:]...))
	return fmt.Sprintf("_dmfs-%x._udp", sum[:4])
}

// nearby finds members on the LAN, and is found by them.
type nearby struct {
	*Replica
	hints chan struct{}
}

// keepNearby starts anew wherever this machine comes to be, as mDNS has the addresses of where it began.
func (n nearby) keepNearby(service string) {
	for n.ctx.Err() == nil {
		here := n.stay.current()
		s := mdns.NewMdnsService(localHost{n.host, n.listening}, service, n)
		if err := s.Start(); err != nil {
			n.log.Debug("nobody is looked for on the LAN", "err", err)
		}
		<-here.Done()
		if err := s.Close(); err != nil {
			n.log.Debug("mDNS did not end well", "err", err)
		}
	}
}

// HandlePeerFound dials who says that it is a member. The handshake shows.
func (n nearby) HandlePeerFound(info peer.AddrInfo) {
	if !n.work.enter() {
		return
	}
	defer n.work.leave()
	select {
	case n.hints <- struct{}{}:
		defer func() { <-n.hints }()
	default:
		return
	}
	info.Addrs = info.Addrs[:min(len(info.Addrs), maxAddrs)]
	for attempt := range hintDialed {
		if n.ctx.Err() != nil || n.isConnected(info.ID) || n.dialHint(info) == nil {
			return
		}
		select {
		case <-n.ctx.Done():
		case <-time.After(n.redialPause(attempt)):
		}
	}
}

func (n nearby) dialHint(info peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(n.ctx, quickDial)
	defer cancel()
	n.clearBackoff(info.ID)
	err := n.host.Connect(ctx, info)
	if err != nil {
		n.log.Debug("a peer on the LAN was not reached", "peer", info.ID, "err", err)
	}
	return err
}

// localHost tells mDNS where we listen now. libp2p's own answer may be of a minute ago.
type localHost struct {
	host.Host
	listening *listening
}

func (h localHost) Network() network.Network { return localNetwork{h.Host.Network(), h.listening} }

type localNetwork struct {
	network.Network
	listening *listening
}

func (n localNetwork) InterfaceListenAddresses() ([]ma.Multiaddr, error) {
	return reachable(n.listening.addrs()), nil
}
