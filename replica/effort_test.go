package replica_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// flood is what one peer does to another, on sixteen goroutines, again and again.
type flood struct {
	from host.Host
	to   peer.ID
	rec  trust.Record // that the other one has
	got  atomic.Int64
}

// last floods for so long.
func (f *flood) last(d time.Duration, act func(context.Context, *flood)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for ctx.Err() == nil {
				act(ctx, f)
			}
		})
	}
	all.Wait()
}

// open opens a stream that ends with the flood.
func (f *flood) open(ctx context.Context, id protocol.ID) network.Stream {
	s, err := f.from.NewStream(network.WithNoDial(ctx, "flood"), f.to, id)
	if err != nil {
		<-time.After(10 * time.Millisecond) // it is refused, or over
		return nil
	}
	context.AfterFunc(ctx, func() { s.Reset() })
	return s
}

// contents asks for a content, and counts bytes.
func contents(ctx context.Context, f *flood) {
	if s := f.open(ctx, fetchID); s != nil {
		s.Write(framed(wire.Ask{Key: wire.KeyOf(f.rec.Name().String()), Digest: f.rec.Digest()}))
		n, _ := io.Copy(io.Discard, s) // it may be reset
		f.got.Add(n)
	}
}

// streams counts those on which it is answered.
func streams(ctx context.Context, f *flood) {
	if s := f.open(ctx, syncID); s != nil {
		s.Write(framed(wire.Root{}))
		if _, err := io.ReadFull(s, make([]byte, 1)); err == nil {
			f.got.Add(1)
		}
		s.Reset()
	}
}

// messages gossips garbage. What of it was judged stands in the log.
func messages(ctx context.Context, f *flood) {
	s := f.open(ctx, pubsub.GossipSubID_v11)
	for ok := s != nil; ok; {
		var frame []byte
		for range 20 {
			garbage := fmt.Appendf(nil, "garbage %d", f.got.Add(1))
			frame = append(frame, protobuf(2, append(protobuf(2, garbage), protobuf(4, []byte(topicName))...))...)
		}
		ok = send(s, frame)
	}
}

// TestI9FloodGetsItsEffort: however fast a peer is, it has a node do so much at once, and so much a second.
func TestI9FloodGetsItsEffort(t *testing.T) {
	t.Parallel()
	const burst, rate, lasts, size = 30_000, 3000, 10, 1 << 20
	p := trusttest.Policy(t, signer, "a")
	rec := trusttest.Record(t, p, signer, "a", pattern(size, 1), v0)
	for what, c := range map[string]struct {
		act  func(context.Context, *flood)
		cost float64
	}{
		"contents": {contents, replica.GiveEffort},
		"streams":  {streams, replica.OpenEffort},
		"messages": {messages, replica.JudgeEffort},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 2, p, everybody, func(t *testing.T, w *replicatest.Net) {
				var log logged
				bad, n := w.Nodes[0], w.Nodes[1]
				n.Config.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				w.SetFaults(replicatest.Faults{Delay: 5 * time.Millisecond})
				w.Start(t)
				n.Write(t, rec)
				replicatest.AwaitHeld(t, w.Nodes, rec)
				n.Replica.SetEffort(burst, rate)
				f := &flood{from: bad.Replica.Host(), to: n.Replica.Host().ID(), rec: rec}
				f.last(lasts*time.Second, c.act)
				got := f.got.Load()
				if what == "messages" {
					got = int64(log.count("gossip refused"))
				}
				effort, most := float64(got)*c.cost, burst+rate*lasts+replica.NameEffort+replica.GiveEffort*size
				t.Logf("%d %s: an effort of %.0f of %.0f", got, what, effort, most)
				if effort > most*1.1 || effort < most/10 { // what is under way when all is used up counts, too
					t.Error("that is not what it may have")
				}
			})
		})
	}
}

// TestNewcomerGetsEverythingAtOnce: it takes far more than what a peer may have a node do in that time.
func TestNewcomerGetsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	names := numbered("f", 30)
	p := trusttest.Policy(t, signer, names...)
	var recs []trust.Record
	for i, name := range names {
		recs = append(recs, trusttest.Record(t, p, signer, name, pattern(1<<20, byte(i)), v0))
	}
	replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 2, p, everybody, func(t *testing.T, w *replicatest.Net) {
		w.SetFaults(replicatest.Faults{Delay: 5 * time.Millisecond})
		n := w.Nodes[0]
		n.Start(t)
		n.Replica.SetEffort(50_000, 1000)
		n.Write(t, recs...)
		w.Nodes[1].Start(t)
		if took := takes(t, w.Nodes[1], recs...); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
