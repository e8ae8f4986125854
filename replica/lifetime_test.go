package replica_test

import (
	"sync/atomic"
	"testing"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	"github.com/libp2p/go-libp2p/core/network"
)

// clock can be moved.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

// timed returns the i-th node, not started, with a clock.
func timed(t *testing.T, i int, p *trust.Policy, c *clock) *replicatest.Node {
	t.Helper()
	n := replicatest.New(t, i, p, replica.Start, index.Clock(c.now))
	n.Config.SetClock(c.now)
	n.Config.SyncInterval = 50 * time.Millisecond
	return n
}

// mortal signs a content with a lifetime that begins with the clock.
func mortal(t *testing.T, p *trust.Policy, c *clock, name string, content []byte, ttl time.Duration) trust.Record {
	t.Helper()
	n := trusttest.Name(t, name)
	sig, err := signer.Sign(trust.DigestOf(content), trust.Statement{Name: n, Version: trust.Version(c.now().UnixNano()), TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := p.Verify(trust.NewClaim(n, sig, content), c.now())
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// knowsOver reports whether a node holds the record as one that is over.
func knowsOver(n *replicatest.Node, rec trust.Record) bool {
	e, ok := n.Index.Get(rec.Name())
	return ok && e.Expired && !e.Shown && trust.Compare(e.Record, rec) == 0
}

// shows reports whether a node shows the record.
func shows(n *replicatest.Node, rec trust.Record) bool {
	e, _ := n.Index.Get(rec.Name())
	return e.Shown && n.Holds(rec)
}

// TestWhatIsOverSupersedes: a node was off during the whole life of a version. What that superseded goes
// there too, and from there everywhere; but not before the clock of each node says so.
func TestWhatIsOverSupersedes(t *testing.T) {
	t.Parallel()
	right, slow := &clock{}, &clock{}
	p := trusttest.Policy(t, signer, "small", "large", "other")
	a, b, c := timed(t, 1, p, right), timed(t, 2, p, right), timed(t, 3, p, slow)
	var olds, news []trust.Record
	for _, name := range []string{"small", "large"} {
		olds = append(olds, mortal(t, p, right, name, []byte("old"), 1000*time.Hour))
	}
	news = append(news, mortal(t, p, right, "small", []byte("new"), time.Hour), mortal(t, p, right, "large", pattern(100_000, 1), time.Hour))
	for _, n := range []*replicatest.Node{a, b, c} {
		n.Write(t, olds...)
	}
	a.Write(t, news...)
	right.move(2 * time.Hour)
	a.Write(t, mortal(t, p, right, "other", nil, time.Hour)) // wakes the index: its timer does not follow the clock
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	for _, n := range []*replicatest.Node{b, a} {
		replicatest.Eventually(t, "both are over", func() bool { return knowsOver(n, news[0]) && knowsOver(n, news[1]) })
	}
	replicatest.Eventually(t, "they know that they are equal", func() bool { return b.Replica.Peers()[0].InSync })

	c.Config.Bootstrap = b.Replica.Addrs()
	c.Start(t)
	replicatest.Eventually(t, "the slow node has declined what is not to be had", func() bool {
		peers := c.Replica.Peers()
		return len(peers) > 0 && peers[0].InSync
	})
	if !shows(c, olds[0]) || !shows(c, olds[1]) {
		t.Error("the slow node shows nothing, though nothing is over for it that it may show")
	}
	slow.move(2 * time.Hour)
	replicatest.Eventually(t, "both are over there", func() bool { return knowsOver(c, news[0]) && knowsOver(c, news[1]) })
	for _, n := range []*replicatest.Node{a, b} {
		if !knowsOver(n, news[0]) || !knowsOver(n, news[1]) {
			t.Error("something has come back")
		}
	}
}

// TestContentThatIsOverElsewhere: by the peer's clock a version is over, so it has no content. We ask for
// it once, and take it without when it is over by ours.
func TestContentThatIsOverElsewhere(t *testing.T) {
	t.Parallel()
	c := &clock{}
	p := trusttest.Policy(t, signer, "a")
	rec := mortal(t, p, c, "a", pattern(100_000, 1), 5*time.Minute)
	n := timed(t, 1, p, c)
	n.Start(t)
	s := newLister(t, itemOf(rec), headOf(rec, false), nil)
	s.answer(fetchID, func(st network.Stream, _ wire.Message) {
		s.asks.Add(1)
		wire.Write(st, wire.Offer{})
	})
	s.connect(t, n)
	replicatest.Eventually(t, "three comparisons were short", func() bool { return s.short.Load() >= 3 })
	if s.wants.Load() != 1 || s.asks.Load() != 1 {
		t.Errorf("asked %d times for the head and %d for the content", s.wants.Load(), s.asks.Load())
	}
	c.move(5 * time.Minute)
	n.Replica.ClockSet()
	replicatest.Eventually(t, "it is held as over", func() bool { return knowsOver(n, rec) })
	if s.asks.Load() != 1 {
		t.Errorf("asked %d times for the content", s.asks.Load())
	}
}
