package replica

import (
	"context"
	"time"

	"dmfs/index"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
)

// StartAt is StartWith and a clock that judges what peers send.
func StartAt(ctx context.Context, cfg Config, ix *index.Index, now func() time.Time, extra ...libp2p.Option) (*Replica, error) {
	cfg.now = now
	return start(ctx, cfg, ix, extra...)
}

// StartOn starts a replica of the network without a key on a host of the test, which gossips instead of
// libp2p.
func StartOn(ctx context.Context, cfg Config, ix *index.Index, now func() time.Time, h host.Host,
	gossip func(context.Context, []byte) error) (*Replica, error) {
	cfg.now = now
	cfg = cfg.complete()
	bootstrap, err := parsePeers(cfg.Bootstrap)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	r := assemble(ctx, stop, cfg, ix, nil, newEfforts(ctx), h)
	r.gossip = gossip
	return r, r.run(cfg, bootstrap)
}
