package replica_test

import (
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/internal/wire"
	"dmfs/replica/replicatest"
	"dmfs/trust"
	"dmfs/trust/trusttest"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// patientPolicy admits names whose versions are not further ahead of the clock than that.
func patientPolicy(t testing.TB, ahead time.Duration, names ...string) *trust.Policy {
	t.Helper()
	rules := trust.Rules{MaxFuture: ahead, Files: make(map[trust.Name][]trust.PublicKey)}
	for _, n := range names {
		rules.Files[trusttest.Name(t, n)] = []trust.PublicKey{signer.Public()}
	}
	p, err := trust.NewPolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFutureVersionsAreTakenWhenTheirTimeComes: each in its turn, without a timer's sync, whether gossip or
// sync brought it.
func TestFutureVersionsAreTakenWhenTheirTimeComes(t *testing.T) {
	t.Parallel()
	const ahead = time.Hour
	careless, careful := trusttest.Policy(t, signer, "a", "b", "c"), patientPolicy(t, ahead, "a", "b", "c")
	a, b := replicatest.New(t, 1, careless, replica.Start), replicatest.New(t, 2, careful, replica.Start)
	a.Config.SyncInterval, b.Config.SyncInterval = time.Hour, time.Hour
	in := func(d time.Duration) trust.Version { return trust.Version(time.Now().Add(d + ahead).UnixNano()) }
	recs := []trust.Record{
		trusttest.Record(t, careless, signer, "a", []byte("a"), in(4*time.Second)),
		trusttest.Record(t, careless, signer, "b", pattern(100_000, 1), in(6*time.Second)),
	}
	a.Write(t, recs...)
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.Eventually(t, "it has declined them", func() bool { return len(b.Index.Refusals()) == 2 })
	gossiped := trusttest.Record(t, careless, signer, "c", []byte("c"), in(5*time.Second))
	a.Write(t, gossiped)
	replicatest.AwaitHeld(t, []*replicatest.Node{b}, recs[0], gossiped, recs[1])
	e, _ := b.Index.Get(recs[1].Name())
	if early := recs[1].Version().Time().Add(-ahead); e.Since.Before(early) {
		t.Errorf("taken at %v, not before %v", e.Since, early)
	}
}

// TestPolicyThatIsNotUnderstood: a later program may have written it, so nobody is blamed, and it is
// fetched once. One that was changed on the way is somebody's fault.
func TestPolicyThatIsNotUnderstood(t *testing.T) {
	t.Parallel()
	p, err := trust.NewPolicy(trust.Rules{PolicySigners: []trust.PublicKey{signer.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	n := replicatest.New(t, 1, p, replica.Start)
	n.Config.SyncInterval = 20 * time.Millisecond
	n.Start(t)
	from, _ := peer.Decode(replica.PeerID(keyOf(5)))
	for _, size := range []int{100, 100_000} {
		content := append([]byte("[tables-of-tomorrow]\n#"), pattern(size, 'x')...)
		sig := trusttest.Sign(t, signer, trust.PolicyName, content, v0)
		head := wire.Head{Name: trust.PolicyName, Version: int64(v0), Signature: sig, Digest: trust.DigestOf(content), Size: uint32(len(content))}
		if size <= wire.MaxInline {
			head.Content = content
			if got := n.Replica.Judge(from, wire.Encode(head)); got != pubsub.ValidationIgnore {
				t.Errorf("verdict %d", got)
			}
			head.Content = append([]byte("# changed\n"), content[10:]...)
			if got := n.Replica.Judge(from, wire.Encode(head)); got != pubsub.ValidationReject {
				t.Errorf("changed: verdict %d", got)
			}
			head.Content = content
		}
		s := newServer(t, head, content)
		s.connect(t, n)
		replicatest.Eventually(t, "three comparisons were short", func() bool { return s.short.Load() >= 3 })
		if s.wants.Load() != 1 || s.asks.Load() > 1 {
			t.Errorf("%d bytes: asked %d times for the head and %d for the content", size, s.wants.Load(), s.asks.Load())
		}
		s.host.Close()
	}
	if r := n.Index.Refusals(); len(r) != 1 || r[0].Name != trust.PolicyName {
		t.Errorf("refusals: %+v", r)
	}
}
