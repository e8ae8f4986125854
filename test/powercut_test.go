//go:build linux

package test

import (
	"math/rand/v2"
	"testing"
	"time"

	"dmfs/test/harness"
)

// TestPowerCutsLoseNothingThatWasAcknowledged cuts the power of a node's disk while somebody writes, after any write
// or sync, the first ones of all included. Of what was not synced then, any sectors may be missing, and some of what
// was done to names. The index is sound and has every version whose close returned 0, or a newer one (I3).
func TestPowerCutsLoseNothingThatWasAcknowledged(t *testing.T) {
	cuts, seed := 50, rand.Uint64()
	if testing.Short() {
		cuts = 5
	}
	t.Logf("%d cuts, seed %d", cuts, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	names := []string{"log/0", "log/1", "log/2", "log/3"}
	m := harness.New(t, harness.Options{Nodes: 1, Files: harness.Names(names...)})
	n := m.Nodes[0]
	var d *disk
	t.Cleanup(func() { d.powerOff(t) })
	t.Cleanup(func() {
		if n.Running() {
			n.Kill()
		}
	})
	writers := startWriters(m, names)
	defer writers.stop()
	for cut := 0; cut < cuts || len(writers.acknowledgedAt(n)) < len(names); cut++ {
		d = powerOn(t, n.State, random, 1+random.IntN(1<<(1+random.IntN(9))))
		n.Begin()
		select {
		case <-d.dark:
		case <-time.After(patience):
			t.Fatal("the node writes nothing")
		}
		n.Kill()
		d.powerOff(t)
		checkKilled(t, n, writers.acknowledgedAt(n))
		if t.Failed() {
			return
		}
	}
	writers.stop()
	n.Start()
	t.Logf("%d versions were acknowledged, %d writes failed", writers.written, writers.failed)
	if err := writers.missing(n); err != nil {
		t.Error(err)
	}
}
