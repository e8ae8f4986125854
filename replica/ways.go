package replica

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// ways are how others reach this node, and it them.
type ways struct {
	reachability Reachability
	announce     []ma.Multiaddr
	nearby       bool // members on the LAN are looked for
	listening    *listening
	seen         *sightings
	berths       *berths
	moor         chan struct{} // there may be another relay to reserve at
	stay         *stay
	services     []io.Closer // of libp2p, closed by Close
	puncher      *holepunch.Service
}

func newWays(ctx context.Context, cfg Config) ways {
	w := ways{
		reachability: cmp.Or(cfg.Reachability, Auto),
		nearby:       cfg.MDNS,
		seen:         &sightings{at: make(map[peer.ID]ma.Multiaddr)},
		berths:       &berths{until: make(map[peer.ID]time.Time)},
		moor:         make(chan struct{}, 1),
		stay:         &stay{},
	}
	w.stay.begin(ctx)
	return w
}

// survey reads where we are to be reached.
func (r *Replica) survey(cfg Config) (err error) {
	if r.announce, err = parseAddrs("announced address", cfg.Announce); err != nil {
		return err
	}
	r.listening, err = newListening(r.host.Network(), cfg)
	return err
}

// openUp has others reach us, as far as they can.
func (r *Replica) openUp() error {
	if err := r.serveRelay(); err != nil {
		return err
	}
	if err := r.listening.start(); err != nil {
		return err
	}
	if err := r.punchHoles(); err != nil {
		return err
	}
	r.spawn(r.keepOpen)
	if r.admission != nil && r.reachability == Private {
		r.spawn(r.keepReserved)
	}
	if r.admission != nil && r.nearby {
		n := nearby{r, make(chan struct{}, maxHints)}
		r.spawn(func() { n.keepNearby(serviceOf(r.author.network)) })
	}
	return nil
}

// Addrs returns the addresses at which we are reached, each with /p2p/ID, as bootstrap_peers takes them: those
// that we announce, on relays, and those on which we listen.
func (r *Replica) Addrs() []string {
	all := ma.Unique(r.addrs())
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: r.host.ID(), Addrs: all})
	if err != nil || len(all) == 0 {
		return nil
	}
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return texts
}

// Troubles says in a line each where we should listen and do not, as of now.
func (r *Replica) Troubles() []string { return r.listening.trouble() }

// addrs returns where we are reached, the addresses first that most nodes can use.
func (r *Replica) addrs() []ma.Multiaddr {
	all := append(slices.Clone(r.announce), r.circuits()...)
	own := r.listening.addrs()
	for _, a := range r.host.Addrs() {
		if len(own) == 0 || manet.IsPublicAddr(a) { // as seen by several others
			all = append(all, a)
		}
	}
	return append(all, own...)
}
