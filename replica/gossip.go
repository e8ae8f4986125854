package replica

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"

	"dmfs/index"
	"dmfs/replica/internal/wire"
	"dmfs/trust"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxGossip   = 64 << 10 // bytes of one gossip message
	gossipQueue = 1024     // messages in pubsub's queues; its own default is 32

	// Whatever a peer gossips is remembered for a while, lest it be judged twice, and costs a proof.
	gossipBurst    = 4096 // messages of one peer at once
	gossipRate     = 512  // and per second
	rememberGossip = 30 * time.Second
)

// mount is the origin of records that came through this node's own mount.
const mount = "mount"

// join joins the topic. Heads are signed by their signers, so the messages need no signature, and the same
// head is the same message whoever sends it.
func (r *Replica) join() error {
	ps, err := pubsub.NewGossipSub(r.ctx, pacedHost{r.host, r.efforts},
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithFloodPublish(true),
		pubsub.WithGossipSubParams(gossipParams()),
		pubsub.WithMaxMessageSize(maxGossip),
		pubsub.WithSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(r.names.topic)),
		pubsub.WithPeerOutboundQueueSize(gossipQueue),
		pubsub.WithValidateQueueSize(gossipQueue),
		pubsub.WithAppSpecificRpcInspector(r.inspect),
		pubsub.WithSeenMessagesTTL(rememberGossip),
		pubsub.WithRawTracer(losses{suspect: r.members.suspect, again: r.heardAgain}),
		pubsub.WithLogger(slog.New(demoted{r.log.Handler()})),
		pubsub.WithRPCLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	if err := ps.RegisterTopicValidator(r.names.topic, r.judge, pubsub.WithValidatorConcurrency(gossipQueue)); err != nil {
		return fmt.Errorf("gossip validator: %w", err)
	}
	if r.topic, err = ps.Join(r.names.topic); err != nil {
		return fmt.Errorf("gossip topic: %w", err)
	}
	r.gossip = func(ctx context.Context, data []byte) error { return r.topic.Publish(ctx, data) }
	// The validator takes what it accepts, so nobody reads a subscription; relaying makes us a subscriber.
	if _, err := r.topic.Relay(); err != nil {
		return fmt.Errorf("gossip relay: %w", err)
	}
	return r.watchTopic()
}

// gossipParams pass a message on to fewer peers than usual: all neighbours have the news from its author, and
// what is lost is found by sync. Sixteen bytes of a hash are an id that nobody makes twice.
func gossipParams() pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	p.Dlo, p.D, p.Dhi, p.Dscore, p.Dout = 4, 5, 7, 3, 1
	p.Dlazy, p.GossipFactor = 2, 0.05 // to whom is told what one has, of those to whom it is not passed on
	return p
}

func messageID(m *pb.Message) string {
	sum := sha256.Sum256(m.GetData())
	return string(sum[:16])
}

// inspect passes over the messages of a peer that sends too many, before anything is remembered of them.
// Sync brings what was in them.
func (r *Replica) inspect(from peer.ID, rpc *pubsub.RPC) error {
	now := time.Now()
	if r.efforts.wait(from, now) > 0 {
		r.blame(from, faultGossip, nil) // what comes next waits
	}
	for i := range rpc.Publish {
		if r.gossiped.spend(from, 1, now) > 0 {
			rpc.Publish = rpc.Publish[:i]
			r.blame(from, faultGossip, nil)
			r.members.suspect(from)
			break
		}
	}
	return nil
}

// watchTopic syncs with every peer that joins the topic: what either side published before was lost.
func (r *Replica) watchTopic() error {
	events, err := r.topic.EventHandler()
	if err != nil {
		return fmt.Errorf("gossip events: %w", err)
	}
	r.spawn(func() {
		defer events.Cancel()
		for {
			ev, err := events.NextPeerEvent(r.ctx)
			if err != nil {
				return
			}
			if ev.Type == pubsub.PeerJoin {
				r.members.suspect(ev.Peer)
			}
		}
	})
	return nil
}

// judge is the topic's validator: accepted messages are forwarded, rejected ones are the peer's fault,
// ignored ones are nobody's.
func (r *Replica) judge(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	if from == r.host.ID() {
		return pubsub.ValidationAccept
	}
	if !r.work.enter() {
		return pubsub.ValidationIgnore
	}
	defer r.work.leave()
	r.efforts.owe(from, judgeEffort, time.Now())
	m, err := wire.Decode(msg.Data)
	switch m := m.(type) {
	case wire.Head:
		return r.judgeHead(from, m)
	case wire.Report:
		return r.judgeReport(from, m)
	}
	r.log.Debug("gossip refused", "peer", from, "err", err)
	r.blame(from, faultMalformed, err)
	return pubsub.ValidationReject
}

func (r *Replica) judgeHead(from peer.ID, head wire.Head) pubsub.ValidationResult {
	if r.stale(head) {
		return pubsub.ValidationIgnore
	}
	rec, over, err := r.prove(head)
	if err == nil {
		err = r.chargeGossip(rec)
	}
	r.blameFuture(head, err)
	switch {
	case err != nil && innocent(err):
		r.noteRefusal(from, head.Name, err)
		if m, at := r.members.get(from), r.comesAt(head.Version, err); m != nil && !at.IsZero() {
			r.await(m, at)
		}
		return pubsub.ValidationIgnore
	case err != nil:
		r.noteRefusal(from, head.Name, err)
		r.blameForger(from, err)
		return pubsub.ValidationReject
	case !r.fresh(rec):
		r.noteContradiction(from, rec)
		return pubsub.ValidationIgnore
	}
	r.take(arrival{from: from, rec: rec, over: over})
	if over {
		return pubsub.ValidationIgnore // no news, and by other clocks it may be some
	}
	return pubsub.ValidationAccept
}

// heardAgain has us sync with a peer that tells of a content that we still lack and do not fetch right now.
func (r *Replica) heardAgain(msg *pubsub.Message) {
	m, err := wire.Decode(msg.Data)
	if head, ok := m.(wire.Head); err == nil && ok && head.Content == nil && !r.stale(head) && !r.fetches.flying(head.Digest) {
		r.members.suspect(msg.ReceivedFrom)
	}
}

// stale reports whether we hold something later than the head claims to be, which needs no proof.
func (r *Replica) stale(h wire.Head) bool {
	name, err := trust.ParseName(h.Name)
	if err != nil {
		return false // prove will say so
	}
	e, ok := r.ix.Get(name)
	if !ok || e.Record.IsZero() {
		return false
	}
	v := int64(e.Record.Version())
	return h.Version < v || h.Version == v && string(h.Signature) == string(e.Record.Signature())
}

// publishNews gossips what the mount brings. What came from a peer was gossiped already or is found by sync.
func (r *Replica) publishNews(after uint64) {
	err := r.ix.Follow(r.ctx, after, func(ctx context.Context, news []index.Entry) error {
		for _, e := range news {
			if e.Origin == mount && !e.Record.IsZero() && !e.Expired {
				r.publish(ctx, e)
			}
		}
		return nil
	})
	if r.ctx.Err() == nil {
		r.log.Error("cannot follow the index", "err", err)
	}
}

func (r *Replica) publish(ctx context.Context, e index.Entry) {
	head, err := r.headOf(e, gossipInline)
	if err == nil {
		err = r.gossip(ctx, wire.Encode(head))
	}
	if err != nil {
		r.log.Debug("not gossiped", "name", e.Name, "err", err)
	}
}
