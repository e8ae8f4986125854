package replica_test

import (
	"log/slog"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestLiarAmongSources: three peers send one content together, one of them other bytes. Then they are asked for
// all of it in turn, so that the liar is blamed, though it need not be asked again, and no other one is.
func TestLiarAmongSources(t *testing.T) {
	t.Parallel()
	for what, liar := range map[string]int{"first": 0, "helper": 1} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			lieAmongSources(t, liar)
		})
	}
}

func lieAmongSources(t *testing.T, liar int) {
	const size = 3 << 20
	p := trusttest.Policy(t, signer, "a")
	rec := trusttest.Record(t, p, signer, "a", pattern(size, 1), v0)
	var log logged
	n := replicatest.New(t, 1, p, replica.Start)
	n.Config.Log = slog.New(slog.NewTextHandler(&log, nil))
	n.Start(t)
	send := make(chan struct{})
	var sources []*source
	for i := range 3 {
		content := pattern(size, 1)
		if i == liar {
			content = pattern(size, 2)
		}
		sources = append(sources, newSlowSource(t, rec, content, send))
	}
	sources[0].connect(t, n)
	replicatest.Eventually(t, "the first one is asked", func() bool { return len(sources[0].asked()) > 0 })
	sources[1].connect(t, n)
	sources[2].connect(t, n)
	replicatest.Eventually(t, "all have told of it", func() bool { return sources[1].wants.Load() > 0 && sources[2].wants.Load() > 0 })
	close(send)
	replicatest.AwaitHeld(t, []*replicatest.Node{n}, rec)
	for i, s := range sources {
		if len(s.asked()) == 0 {
			t.Errorf("source %d was not asked", i)
		}
		if blamed := log.count("misbehaves", s.host.ID().String()) > 0; blamed != (i == liar) {
			t.Errorf("source %d is blamed: %v", i, blamed)
		}
	}
}

// newSlowSource makes one that sends, once it may, as fast as drain does.
func newSlowSource(t *testing.T, rec trust.Record, content []byte, may <-chan struct{}) *source {
	t.Helper()
	s := newSource(t, rec, content, len(content), len(content))
	s.send = func(st network.Stream, from uint32) {
		<-may
		drain(t, st, content[from:])
	}
	return s
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
