package replica_test

import (
	"context"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/replica/replicatest"
	"dmfs/trust/trusttest"
)

// TestWhoWakesUpDialsAtOnce: when Config.Watch tells of a change, what was dialled in vain for a minute is dialled
// then, and not when its turn comes: ten times in a row that would be a miracle.
func TestWhoWakesUpDialsAtOnce(t *testing.T) {
	t.Parallel()
	p := trusttest.Policy(t, signer, "a")
	replicatest.Bubble(t, replicatest.Datagrams{Start: replica.StartAt}, 2, p, everybody, func(t *testing.T, w *replicatest.Net) {
		w.SetFaults(replicatest.Faults{Delay: 20 * time.Millisecond})
		wake, sleeper := make(chan struct{}, 1), w.Nodes[1]
		sleeper.Config.Watch = func(ctx context.Context, changed func()) error {
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-wake:
					changed()
				}
			}
		}
		w.Start(t)
		connected := func() bool { return sleeper.Replica.Peers()[0].Connected }
		for range 10 {
			w.Link(nobody)
			<-time.After(time.Minute)
			if connected() {
				t.Fatal("it did not notice that it is alone")
			}
			w.Link(everybody)
			wake <- struct{}{}
			<-time.After(500 * time.Millisecond)
			if !connected() {
				t.Fatal("it did not dial at once")
			}
		}
	})
}
