package replica

import (
	"context"

	"dmfs/index"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// StartWith is Start with more options for the host.
func StartWith(ctx context.Context, cfg Config, ix *index.Index, extra ...libp2p.Option) (*Replica, error) {
	return start(ctx, cfg, ix, extra...)
}

// Host returns the host, so that a test may cut connections.
func (r *Replica) Host() host.Host { return r.host }

// Judge has the topic's validator judge bytes from a peer.
func (r *Replica) Judge(from peer.ID, data []byte) pubsub.ValidationResult {
	return r.judge(context.Background(), from, &pubsub.Message{Message: &pb.Message{Data: data}, ReceivedFrom: from})
}

// Names returns what the network without a key uses.
func Names() (sync, fetch protocol.ID, topic string) {
	n := namesOf([32]byte{})
	return n.sync, n.fetch, n.topic
}

// NewResourceManager returns the one that hosts use.
func NewResourceManager() (network.ResourceManager, error) { return newResourceManager() }
