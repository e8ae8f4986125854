package replica_test

import (
	"context"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/replicatest"

	"github.com/libp2p/go-libp2p/core/host"
)

// TestSimulatedStreams tries schedules of everything that can go wrong, without libp2p.
func TestSimulatedStreams(t *testing.T) {
	replicatest.SimulateMany(t, replicatest.Streams{Start: startOnStreams}, 200, 10_000)
}

// TestSimulatedDatagrams does the same with libp2p.
func TestSimulatedDatagrams(t *testing.T) {
	replicatest.SimulateMany(t, replicatest.Datagrams{Start: replica.StartAt}, 8, 80)
}

func startOnStreams(ctx context.Context, cfg replica.Config, ix *index.Index, now func() time.Time, h host.Host,
	gossip func(context.Context, []byte) error) (*replica.Replica, replicatest.Judge, error) {
	r, err := replica.StartOn(ctx, cfg, ix, now, h, gossip)
	return r, r.Judge, err
}
