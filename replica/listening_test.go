package replica_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"
)

// TestListensWhereItCan: one address that is taken keeps nobody off the network; it is told, and opened as soon
// as it is free. When nothing else works, Start fails.
func TestListensWhereItCan(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	for i := range 2 {
		busy, moved := replicatest.New(t, 1, p, replica.Start), make(chan func(), 1)
		busy.Start(t)
		taken := busy.Config.Listen[i]
		n := replicatest.New(t, 2, p, func(ctx context.Context, cfg replica.Config, ix *index.Index) (*replica.Replica, error) {
			cfg.Watch = func(_ context.Context, changed func()) error {
				moved <- changed
				return nil
			}
			return replica.Start(ctx, cfg, ix)
		})
		n.Config.Listen = []string{taken}
		if r, err := replica.Start(t.Context(), n.Config, n.Index); err == nil {
			r.Close()
			t.Errorf("%s: started though nothing works", taken)
		} else if !contains(err.Error(), taken) {
			t.Errorf("the error does not name %s: %v", taken, err)
		}
		n.Config.Listen = []string{taken, overTCP}
		n.Start(t)
		if got := n.Replica.Troubles(); len(got) != 1 || !contains(got[0], taken) {
			t.Errorf("%s: troubles: %q", taken, got)
		}
		busy.Stop(t)
		changed := <-moved
		replicatest.Eventually(t, "it listens everywhere", func() bool {
			changed()
			return len(n.Replica.Troubles()) == 0 && len(n.Replica.Addrs()) == 2
		})
	}
}

// TestInterfaces: what is excluded is neither listened on nor told.
func TestInterfaces(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	for _, c := range []struct {
		patterns         []string
		listen           string
		loopback, others bool // told
		trouble          bool
	}{
		{[]string{"l?"}, "/ip4/0.0.0.0/udp/0/quic-v1", true, false, false},
		{[]string{"lo"}, "/ip4/127.0.0.1/tcp/0", true, false, false},
		{[]string{"!e*", "lo"}, "/ip6/::/tcp/0", true, false, false},
		{[]string{"!lo"}, "/ip4/127.0.0.1/tcp/0", false, false, true},
		{[]string{"lo", "!l*"}, "/ip4/0.0.0.0/tcp/0", false, false, false},
		{[]string{"wg*"}, "/ip4/0.0.0.0/tcp/0", false, false, false},
	} {
		n := replicatest.New(t, 1, p, replica.Start)
		n.Config.Listen, n.Config.Interfaces = []string{c.listen}, c.patterns
		r, err := replica.Start(t.Context(), n.Config, n.Index)
		if (err != nil) != c.trouble {
			t.Errorf("%v: %v", c.patterns, err)
		}
		if err != nil {
			continue
		}
		here := func(a string) bool { return strings.HasPrefix(a, "/ip4/127.") || strings.HasPrefix(a, "/ip6/::1/") }
		there := func(a string) bool { return !here(a) }
		if got := r.Addrs(); slices.ContainsFunc(got, here) != c.loopback || slices.ContainsFunc(got, there) != c.others {
			t.Errorf("%v: told: %v", c.patterns, got)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	n := replicatest.New(t, 1, p, replica.Start)
	n.Config.Interfaces = []string{"[a"}
	if r, err := replica.Start(t.Context(), n.Config, n.Index); err == nil {
		r.Close()
		t.Error("a malformed pattern is taken")
	}
}

// TestAnnounced: others are told what is announced, before everything else.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	const first, second = "/ip4/198.51.100.7/udp/7946/quic-v1", "/dns/home.example.org/tcp/443"
	a, b := replicatest.New(t, 1, p, replica.Start), replicatest.New(t, 2, p, replica.Start)
	a.Config.Announce = []string{first, second}
	a.Start(t)
	b.Config.Bootstrap = a.Replica.Addrs()
	b.Start(t)
	replicatest.Eventually(t, "it is told", func() bool {
		got := b.Replica.AddrsOf(a.Replica.ID())
		return slices.Contains(got, first) && slices.Contains(got, second)
	})
}
