package replica_test

import (
	"context"
	"path"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// BenchmarkIdle: what each of 30 nodes sends a second, by protocol, in a minute in which nothing happens, and
// in one that begins with a publication.
func BenchmarkIdle(b *testing.B) {
	const n = 30
	p := trusttest.Policy(b, signer, "a")
	sent := metrics.NewBandwidthCounter()
	nodes := replicatest.MeshWith(b, func(int) replicatest.Starter {
		return func(ctx context.Context, cfg replica.Config, ix *index.Index) (*replica.Replica, error) {
			return replica.StartWith(ctx, cfg, ix, libp2p.BandwidthReporter(sent))
		}
	}, same(n, p)...)
	informed := func() bool {
		for _, node := range nodes {
			for _, other := range nodes {
				if node != other && (node.Replica.Said(other.Replica.ID()).Moment == 0 || behind(node, other) > 0) {
					return false
				}
			}
		}
		return true
	}
	replicatest.Eventually(b, "all know of all", informed)
	version := v0
	for what, happens := range map[string]bool{"nothing": false, "publication": true} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				<-time.After(10 * time.Second) // what is under way ends
				before := sent.GetBandwidthByProtocol()
				minute := time.After(time.Minute)
				if happens {
					version++
					nodes[0].Write(b, trusttest.Record(b, p, signer, "a", []byte("a"), trust.Version(version)))
					replicatest.Eventually(b, "all know of all", informed)
				}
				<-minute
				tell(b, n, before, sent.GetBandwidthByProtocol())
			}
		})
	}
}

func tell(b *testing.B, n int, before, after map[protocol.ID]metrics.Stats) {
	b.Helper()
	all := int64(0)
	for id, s := range after {
		more := s.TotalOut - before[id].TotalOut
		all += more
		b.ReportMetric(float64(more)/float64(n)/60, path.Base(path.Dir(string(id)))+"-B/s")
	}
	b.ReportMetric(float64(all)/float64(n)/60, "all-B/s")
}
