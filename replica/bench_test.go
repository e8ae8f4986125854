package replica_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/peer"
)

// held returns a channel that is closed when the nodes hold the record; no polling, so that it measures.
func held(b *testing.B, rec trust.Record, nodes ...*replicatest.Node) <-chan struct{} {
	done := make(chan struct{}, len(nodes))
	for _, n := range nodes {
		go func() {
			n.Index.Follow(b.Context(), 0, func(_ context.Context, news []index.Entry) error {
				for _, e := range news {
					if !e.Record.IsZero() && e.Name == rec.Name() && e.Record.Version() >= rec.Version() {
						return context.Canceled
					}
				}
				return nil
			})
			done <- struct{}{}
		}()
	}
	all := make(chan struct{})
	go func() {
		for range nodes {
			<-done
		}
		close(all)
	}()
	return all
}

// BenchmarkPublish: from Apply at one node until it is applied at the two others.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			p := trusttest.Policy(b, signer, "a")
			nodes := replicatest.Mesh(b, same(3, p)...)
			version := v0
			for b.Loop() {
				b.StopTimer()
				version++
				rec := trusttest.Record(b, p, signer, "a", pattern(size, byte(version)), version)
				all := held(b, rec, nodes[1:]...)
				b.StartTimer()
				nodes[0].Write(b, rec)
				<-all
			}
		})
	}
}

// BenchmarkCatchUp: a node starts with nothing and holds 1,000 files of 1 KiB.
func BenchmarkCatchUp(b *testing.B) {
	names := numbered("f", 1000)
	p := trusttest.Policy(b, signer, names...)
	nodes := replicatest.Mesh(b, same(2, p)...)
	recs := make([]trust.Record, len(names))
	for i, name := range names {
		recs[i] = trusttest.Record(b, p, signer, name, pattern(1<<10, byte(i)), v0)
	}
	nodes[0].Write(b, recs...)
	replicatest.AwaitHeld(b, nodes, recs...)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		late := replicatest.New(b, 10+i, p, replica.Start)
		late.Config.Bootstrap = append(nodes[0].Replica.Addrs(), nodes[1].Replica.Addrs()...)
		b.StartTimer()
		late.Start(b)
		whole(b, late, len(recs))
		b.StopTimer()
		late.Stop(b)
		b.StartTimer()
	}
}

// whole waits until the node holds n names.
func whole(b *testing.B, node *replicatest.Node, n int) {
	seen := 0
	node.Index.Follow(b.Context(), 0, func(_ context.Context, news []index.Entry) error {
		if seen += len(news); seen >= n {
			return context.Canceled
		}
		return nil
	})
}

// BenchmarkConnect: from a dial until the connection may be used, without and with admission.
func BenchmarkConnect(b *testing.B) {
	open := trusttest.Policy(b, signer, "a")
	for _, transport := range []string{overQUIC, overTCP} {
		b.Run(strings.Split(transport, "/")[3]+"/open", func(b *testing.B) {
			n := replicatest.New(b, 1, open, replica.Start)
			n.Config.Listen = []string{transport}
			n.Start(b)
			connectAgain(b, newOutsider(b, 2, transport, nil), n)
		})
		b.Run(strings.Split(transport, "/")[3]+"/members", func(b *testing.B) {
			n := named(b, 1, networkPolicy(b, nil, "a"))
			n.Config.Listen = []string{transport}
			n.Start(b)
			connectAgain(b, impostor(b, 2, transport, certify(b, authority, keyOf(2), "node2", -time.Hour, time.Hour)), n.Node)
		})
	}
}

func connectAgain(b *testing.B, o *outsider, n *replicatest.Node) {
	info, err := peer.AddrInfoFromString(n.Replica.Addrs()[0])
	if err != nil {
		b.Fatal(err)
	}
	o.host.Peerstore().AddAddrs(info.ID, info.Addrs, time.Hour)
	for b.Loop() {
		if _, err := o.host.Network().DialPeer(b.Context(), info.ID); err != nil {
			b.Fatal(err)
		}
		if err := o.host.Network().ClosePeer(info.ID); err != nil {
			b.Fatal(err)
		}
	}
}
