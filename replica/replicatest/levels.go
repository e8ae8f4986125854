package replicatest

import (
	"context"
	"time"

	"dmfs/index"
	"dmfs/replica"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Level is how much of the real stack a simulation runs: Streams or Datagrams.
type Level interface {
	// open makes what the machines of one simulation share.
	open(*Links) fabric
}

// fabric starts replicas.
type fabric interface {
	start(m *machine) (r *replica.Replica, stop func() error, err error)
	addr(number int) string // without /p2p
	sever(all bool)         // breaks connections: all, or those that nothing gets through any more
	open() []string         // ends of streams that nobody has freed
}

// Judge is how a replica judges what a peer gossips.
type Judge func(from peer.ID, data []byte) pubsub.ValidationResult

// Streams is the level of whole streams: everything of replica but libp2p.
type Streams struct {
	// Start starts a replica on a host, with a clock and a way to gossip.
	Start func(ctx context.Context, cfg replica.Config, ix *index.Index, now func() time.Time, h host.Host,
		gossip func(context.Context, []byte) error) (*replica.Replica, Judge, error)
}

// Datagrams is the level of datagrams: everything of replica on real libp2p hosts, over QUIC.
type Datagrams struct {
	// Start starts a replica with a clock and more options for its host.
	Start func(ctx context.Context, cfg replica.Config, ix *index.Index, now func() time.Time,
		extra ...libp2p.Option) (*replica.Replica, error)
}
