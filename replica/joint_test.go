package replica_test

import (
	"bufio"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestLiarAmongSources: three peers send one content together, and the first one sends other bytes. Then each is
// asked for all of it, so that the liar is blamed and no other one.
func TestLiarAmongSources(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	p := trusttest.Policy(t, signer, "a")
	rec := trusttest.Record(t, p, signer, "a", pattern(size, 1), v0)
	var log logged
	n := replicatest.New(t, 1, p, replica.Start)
	n.Config.Log = slog.New(slog.NewTextHandler(&log, nil))
	n.Start(t)
	var sources []*server
	var asked [3]atomic.Int32
	send := make(chan struct{})
	for i := range asked {
		s := newLister(t, itemOf(rec), headOf(rec, false), nil)
		content := pattern(size, 1)
		if i == 0 {
			content = pattern(size, 2)
		}
		s.host.SetStreamHandler(fetchID, func(st network.Stream) {
			defer st.Close()
			m, err := wire.Read(bufio.NewReader(st), wire.MaxRequest)
			ask, ok := m.(wire.Ask)
			if err != nil || !ok {
				return
			}
			asked[i].Add(1)
			wire.Write(st, wire.Offer{Held: true, Size: size})
			<-send
			drain(t, st, content[ask.From:])
		})
		sources = append(sources, s)
	}
	sources[0].connect(t, n)
	replicatest.Eventually(t, "the first one is asked", func() bool { return asked[0].Load() > 0 })
	sources[1].connect(t, n)
	sources[2].connect(t, n)
	replicatest.Eventually(t, "all are there", func() bool {
		return len(n.Replica.Peers()) == 3 && sources[1].wants.Load() > 0 && sources[2].wants.Load() > 0
	})
	close(send)
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, rec)
	for i, s := range sources {
		if asked[i].Load() == 0 {
			t.Errorf("source %d was not asked", i)
		}
		if blamed := log.count("misbehaves", s.host.ID().String()) > 0; blamed != (i == 0) {
			t.Errorf("source %d is blamed: %v", i, blamed)
		}
	}
}

// drain sends bytes at some 4 MiB a second.
func drain(t *testing.T, st network.Stream, b []byte) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; len(b) > 0; b = b[min(len(b), 40<<10):] {
		if _, err := st.Write(b[:min(len(b), 40<<10)]); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			return
		}
	}
}
