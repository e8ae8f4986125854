package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"dmfs/index"
	"dmfs/trust"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Replica is a running node of the network. All methods may be called at any time, also after Close.
type Replica struct {
	ix        *index.Index
	log       *slog.Logger
	host      host.Host
	names     names
	summaries *summaries
	members   *roster
	book      *book
	crowd     crowd
	mesh      chan struct{} // there are other peers to choose from
	peersFile string
	ways
	blamed    *told
	noted     *allowances[peer.ID] // comings and goings that are logged, by peer
	moves     *allowances[peer.ID] // contacts that are news, by whose they are
	gossiped  *allowances[peer.ID] // messages, by who sent them to us
	signed    *signings
	efforts   *efforts
	admission *admission    // nil without a network or a certificate
	review    chan struct{} // the members are to be reviewed
	awaited   chan struct{} // something is to be asked for sooner than what was known
	restate   chan struct{} // our contact or our report is another one
	tidings   chan struct{} // a comparison brought reports that other peers may lack, too
	author    author
	met       func(id, name string, connected bool)
	tellFault func(id, name string, f Fault)
	heard     func()
	traffic   traffic
	now       func() time.Time
	topic     *pubsub.Topic
	gossip    func(context.Context, []byte) error // to all who are connected
	fetches   flights
	patient   flights
	claims    claims
	inbox     chan arrival // proved, with content, to be applied
	transfers chan struct{}
	downloads chan struct{}

	ctx  context.Context
	stop context.CancelFunc
	work gate

	redialed   time.Time // belongs to watchConnections
	lapsed     []contact // belongs to keepMesh, and then to Close
	remembered struct {  // belongs to keepMesh, and then to Close
		at   time.Time
		what string
	}
	close func() error
}

// names are the protocols and the topic of one network.
type names struct {
	sync, fetch, contacts, member, ping protocol.ID
	topic                               string
}

func namesOf(network trust.Key) names {
	id := idOf(network)
	return names{
		sync:     protocol.ID("/dmfs/" + id + "/sync/2"),
		fetch:    protocol.ID("/dmfs/" + id + "/fetch/2"),
		contacts: protocol.ID("/dmfs/" + id + "/contacts/2"),
		member:   protocol.ID("/dmfs/" + id + "/member/1"),
		ping:     protocol.ID("/dmfs/" + id + "/ping/1"),
		topic:    "/dmfs/" + id + "/heads/1",
	}
}

// idOf is what a network is called in the names of its protocols.
func idOf(network trust.Key) string {
	if network.IsZero() {
		return "local"
	}
	return fmt.Sprintf("%x", network[:4])
}

// Start joins the network and keeps the index equal to those of its peers until Close. It fails when an
// address is malformed or none can be listened on, and when Certificate returns none of this Network for our
// key; peers that cannot be reached are no failure, nor is a certificate that has expired. Ending ctx stops
// all work, but only Close frees the ports. The index must stay open until Close has returned.
func Start(ctx context.Context, cfg Config, ix *index.Index) (*Replica, error) {
	return start(ctx, cfg, ix)
}

func start(ctx context.Context, cfg Config, ix *index.Index, extra ...libp2p.Option) (*Replica, error) {
	cfg = cfg.complete()
	bootstrap, err := parsePeers(cfg.Bootstrap)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	e := newEfforts(ctx)
	a, err := newAdmission(ctx, cfg, e, ix)
	if err != nil {
		stop()
		return nil, err
	}
	h, err := newHost(cfg, e, append(append(a.options(), a.relayed(cfg.Reachability)), extra...)...)
	if err != nil {
		stop()
		return nil, err
	}
	r := assemble(ctx, stop, cfg, ix, a, e, h)
	r.recall()
	if err := r.run(cfg, bootstrap); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func assemble(ctx context.Context, stop func(), cfg Config, ix *index.Index, a *admission, e *efforts, h host.Host) *Replica {
	r := &Replica{
		ix:        ix,
		log:       cfg.Log,
		host:      h,
		admission: a,
		review:    make(chan struct{}, 1),
		awaited:   make(chan struct{}, 1),
		restate:   make(chan struct{}, 1),
		tidings:   make(chan struct{}, 1),
		author:    author{key: cfg.Identity, network: cfg.Network, agent: agentOf(cfg)},
		now:       cfg.now,
		met:       cfg.Met,
		tellFault: cfg.Blamed,
		heard:     cfg.Heard,
		book:      newBook(a != nil),
		crowd:     cmp.Or(cfg.crowd, usual),
		mesh:      make(chan struct{}, 1),
		peersFile: cfg.PeersFile,
		ways:      newWays(ctx, cfg),
		names:     namesOf(cfg.Network),
		summaries: newSummaries(ix, e.hold),
		blamed:    &told{},
		noted:     newAllowances[peer.ID](comingsBurst, comingsRate),
		moves:     newAllowances[peer.ID](movesBurst, movesRate),
		gossiped:  newAllowances[peer.ID](gossipBurst, gossipRate),
		signed:    newSignings(),
		efforts:   e,
		inbox:     make(chan arrival, inboxSize),
		transfers: make(chan struct{}, maxTransfers),
		downloads: make(chan struct{}, maxDownloads),
		ctx:       ctx,
		stop:      stop,
	}
	if a != nil {
		a.admitted = r.admitted
	}
	r.members = newRoster(r.ctx)
	r.close = sync.OnceValue(r.shut)
	return r
}

// run starts everything in the order in which nothing is missed: the follower before the first peer, the
// handlers before the first connection, which identify then announces.
func (r *Replica) run(cfg Config, bootstrap []peer.AddrInfo) error {
	if err := r.survey(cfg); err != nil {
		return err
	}
	seq := r.ix.Seq()
	if r.gossip == nil { // else a test gossips
		if err := r.join(); err != nil {
			return err
		}
	}
	r.host.SetStreamHandler(r.names.sync, r.serve(newLimiter[peer.ID](4, 256), r.serveSync))
	r.host.SetStreamHandler(r.names.fetch, r.serve(newLimiter[peer.ID](4, 64), r.serveFetch))
	r.host.SetStreamHandler(r.names.contacts, r.serve(newLimiter[peer.ID](2, 64), r.serveContacts))
	r.host.SetStreamHandler(r.names.ping, r.serve(newLimiter[peer.ID](4, 2*maxConns), r.servePings))
	if r.admission != nil {
		r.host.SetStreamHandler(r.names.member, r.serve(newLimiter[peer.ID](1, 64), r.serveMember))
	}
	r.spawn(r.followIndex)
	r.spawn(r.watchMembers)
	r.spawn(r.askAgain)
	if err := r.supervise(); err != nil {
		return err
	}
	r.spawn(r.applyArrivals)
	r.spawn(func() { r.publishNews(seq) })
	r.spawn(func() { r.syncNowAndThen(cfg.SyncInterval) })
	if err := r.openUp(); err != nil {
		return err
	}
	r.dialConfigured(bootstrap)
	r.spawn(r.keepMesh)
	r.spawn(r.reportNews)
	if cfg.Watch != nil {
		r.watchMachine(cfg.Watch)
	}
	return nil
}

// Close leaves the network and returns when nothing of the replica runs any more.
func (r *Replica) Close() error { return r.close() }

func (r *Replica) shut() error {
	r.work.shut()
	r.stop()
	var err error
	for _, s := range r.services {
		err = errors.Join(err, s.Close())
	}
	err = errors.Join(err, r.host.Close())
	r.work.wait()
	r.remember(true)
	return err
}

// ID returns our libp2p peer id.
func (r *Replica) ID() string { return r.host.ID().String() }

// spawn runs f in a goroutine that Close waits for, or not at all once Close was called.
func (r *Replica) spawn(f func()) {
	if !r.work.enter() {
		return
	}
	go func() {
		defer r.work.leave()
		f()
	}()
}
