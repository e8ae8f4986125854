package test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

var errIdle = errors.New("the hostile member does nothing")

// hostilities are the attacks, and the fault that each node finds in who does them; "": it is another thing that it
// tells. Those that are as fast as the machine are not for -short, and so
// not for the race detector, with which nodes are slower than what floods them.
var hostilities = []struct {
	attack, fault string
	short         bool
}{
	{"heads", "sends what nobody signed", false},
	{"garbage", "sends what is malformed", false},
	{"controls", "gossips faster than it is listened to", false},
	{"contents", "opens more streams than it is served", false},
	{"streams", "opens more streams than it is served", false},
	{"contacts", "does not have what it lists", false},
	{"restless", "says again and again that it is reached elsewhere", false},
	{"crowd", "is connected many times over", false},
	{"filler", "has more in a namespace than its quota", false},
	{"versions", "signs new versions faster than they are taken", false},
	{"stall", "does not answer in time", true},
	{"drip", "does not answer in time", false},
	{"digests", "sends what is malformed", true},
	{"promises", "does not have what it lists", false},
	{"lies", "sends another content than the one asked for", false},
	{"equivocal", "", true},
	{"stamps", "signs versions of the future, by this clock", false},
	{"rollback", "does not have what it lists", true},
	{"freeze", "says that it holds whatever it hears of", true},
	{"endless", "sends what is malformed", true},
	{"mixed", "sends what nobody signed", false},
	{"foreign", "sends what nobody signed", false},
	{"forged", "sends what nobody signed", false},
	{"knocks", "connects and leaves again and again", false},
	{"all", "sends what is malformed", false},
}

// TestHostileMember has a member attack three nodes that go on working: what one publishes the others show,
// what they take up has bounds, and they say who it is.
func TestHostileMember(t *testing.T) {
	m := harness.Start(t, besieged())
	publish(t, m, m.Nodes[0], "huge", noise("huge", 10<<20))
	converge(t, m, "before")
	calm := takenUp(m)
	for _, h := range hostilities {
		if testing.Short() && !h.short {
			continue
		}
		t.Run(h.attack, func(t *testing.T) {
			m.During(t)
			withstand(t, m, h.attack, h.fault, calm)
		})
	}
}

func withstand(t *testing.T, m *harness.Mesh, attack, fault string, calm []harness.Resources) {
	t.Helper()
	for _, n := range m.Nodes {
		n.ForgetPeak()
	}
	bad := unleash(t, m, attack, trusttest.Signer(99), time.Hour)
	acts := bad.goesOn(t, 0)
	for round := range 3 {
		converge(t, m, fmt.Sprint(attack, round))
		acts = bad.goesOn(t, acts)
		bounded(t, m, calm)
	}
	harness.Eventually(t, patience, named(bad, attack, fault, m.Nodes...))
	converge(t, m, attack+" still")
	bounded(t, m, calm)
	bad.back(t)
	for i, r := range takenUp(m) {
		lines := m.Nodes[i].Lines(bad.id)
		t.Logf("node %s: %v, %d lines of log about %d acts", m.Nodes[i].Name, r, lines, bad.acts.Load())
		if lines > mostLines {
			t.Errorf("node %s has written %d lines about the member", m.Nodes[i].Name, lines)
		}
	}
}

// mostLines is how much a node may say of a member: its comings and goings, and its faults.
const mostLines = 50

// named returns a condition: each node says who it is that does so, in its log and its status. Equivocation is no
// fault of a connection: the status says in whose part of the namespace it is.
func named(bad *mallory, attack, fault string, nodes ...*harness.Node) func() error {
	return func() error {
		for _, n := range nodes {
			status := n.Status()
			warned := slices.ContainsFunc(status.Warnings, func(w harness.StatusWarning) bool {
				return w.Name == harness.In("telemetry", bad.key, "both")
			})
			switch {
			case attack == "equivocal" && !warned:
				return fmt.Errorf("node %s does not warn", n.Name)
			case fault == "":
			case n.Lines("misbehave", "name="+bad.name, fault) == 0:
				return fmt.Errorf("node %s does not say that the member %s", n.Name, fault)
			case !status.Blames(bad.id, bad.name, fault):
				return fmt.Errorf("the status of node %s does not say that the member %s", n.Name, fault)
			}
		}
		return nil
	}
}

// converge has each node publish something small and something large, which the other two then show.
func converge(t testing.TB, m *harness.Mesh, what string) {
	t.Helper()
	for _, n := range m.Nodes {
		for name, size := range map[string]int{"config.json": 1 << 10, "large": 200 << 10} {
			content := noise(what+n.Name, size)
			publish(t, m, n, name, content)
			harness.Eventually(t, patience, harness.Shows(name, content, m.Nodes...))
		}
	}
}

func takenUp(m *harness.Mesh) (all []harness.Resources) {
	for _, n := range m.Nodes {
		all = append(all, n.Resources())
	}
	return all
}

// bounded holds the nodes to what an attack may cost them, whatever the attacks before it have left. On disk
// that is what a member may keep in its part of the namespace, and as much again while it is replaced.
func bounded(t *testing.T, m *harness.Mesh, calm []harness.Resources) {
	t.Helper()
	memory := int64(256 << 20)
	if harness.Race {
		memory *= 4
	}
	for i, now := range takenUp(m) {
		for what, grown := range map[string]struct{ from, to, most int64 }{
			"bytes of memory": {calm[i].Resident, now.Peak, memory},
			"bytes on disk":   {calm[i].State, now.State, 256 << 20},
			"descriptors":     {calm[i].Descriptors, now.Descriptors, 64},
			"goroutines":      {calm[i].Goroutines, now.Goroutines, 1000},
		} {
			if grown.to > grown.from+grown.most {
				t.Errorf("node %s: %d %s, and %d before all attacks", m.Nodes[i].Name, grown.to, what, grown.from)
			}
		}
	}
}

// TestHostileMemberIsExpelled has the certificate of a member end, and another one's key revoked, while they
// flood the nodes; a third one shows a certificate that is none.
func TestHostileMemberIsExpelled(t *testing.T) {
	m := harness.Start(t, besieged())
	calm := takenUp(m)
	attack, published := "versions", "x"
	if testing.Short() {
		attack, published = "stamps", "early"
	}
	for what, c := range map[string]struct {
		authority *trust.Signer
		lasts     time.Duration
		revoke    bool
		reason    string
	}{
		"over":    {trusttest.Signer(99), min(harness.Within(6*time.Second), 20*time.Second), false, "ended at"},
		"revoked": {trusttest.Signer(99), time.Hour, true, "revoked"},
		"foreign": {trusttest.Signer(98), time.Hour, false, "not of this network"},
	} {
		t.Run(what, func(t *testing.T) {
			m.During(t)
			bad := unleash(t, m, attack, c.authority, c.lasts)
			if c.reason != "not of this network" {
				bad.goesOn(t, 0)
				harness.Eventually(t, patience, publishes(bad, published, m.Nodes...))
			}
			if c.revoke {
				publish(t, m, m.Nodes[0], trust.PolicyName, fmt.Appendf(nil, "[revoked]\nkeys = [ %q ]\n", bad.key))
			}
			for _, n := range m.Nodes {
				harness.Eventually(t, patience, func() error { return expelled(n, bad, published, c.reason) })
			}
			converge(t, m, what)
			bounded(t, m, calm)
			bad.back(t)
		})
	}
}

// publishes returns a condition: all nodes show what the member publishes.
func publishes(bad *mallory, name string, nodes ...*harness.Node) func() error {
	return func() error {
		for _, n := range nodes {
			if _, err := os.Lstat(bad.own(n, name)); err != nil {
				return err
			}
		}
		return nil
	}
}

// expelled says what is wrong unless a node has thrown the member out, for this reason, and shows nothing of it.
func expelled(n *harness.Node, bad *mallory, name, reason string) error {
	if n.Lines("peer is not admitted", bad.id, reason) == 0 {
		return fmt.Errorf("node %s does not say that the member is %s", n.Name, reason)
	}
	for _, p := range n.Status().Peers {
		if p.ID == bad.id && p.Connected {
			return fmt.Errorf("node %s is connected to the member", n.Name)
		}
	}
	if _, err := os.Lstat(bad.own(n, name)); !os.IsNotExist(err) {
		return fmt.Errorf("node %s shows what the member published: %w", n.Name, err)
	}
	return nil
}
