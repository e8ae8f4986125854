package test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust/trusttest"
)

// behindNAT is a mesh of a public member and laptops, each in a home of its own. Everybody knows the public one.
func behindNAT(t *testing.T, laptops int, strict bool) (*harness.NAT, *harness.Mesh) {
	t.Helper()
	nat := harness.NewNAT(t, laptops, strict)
	m := harness.Start(t, harness.Options{
		Nodes: 1 + laptops, Lan: nat.Lan, Known: 1, Network: trusttest.Signer(99), Files: harness.Names("config.json", "image"),
		Cluster: func(i int) string {
			if i == 0 {
				return `reachability = "public"`
			}
			return `reachability = "private"`
		},
	})
	return nat, m
}

// relayed returns a condition: two nodes are connected, through a relay or without.
func relayed(want bool, a, b *harness.Node) func() error {
	return func() error {
		for _, pair := range [][2]*harness.Node{{a, b}, {b, a}} {
			if p := pair[0].Peer(pair[1]); !p.Connected || (p.Relay != "") != want {
				return fmt.Errorf("node %s: %s is connected: %v, relayed by %q", pair[0].Name, pair[1].Name, p.Connected, p.Relay)
			}
		}
		return nil
	}
}

// TestLaptopsBehindNAT: what one publishes reaches the other, small and large, over a hole in both NATs where
// they let one be punched, else through the relay. The hole works without the relay.
func TestLaptopsBehindNAT(t *testing.T) {
	for name, strict := range map[string]bool{"hole": false, "relay": true} {
		t.Run(name, func(t *testing.T) {
			nat, m := behindNAT(t, 2, strict)
			a, b := m.Nodes[1], m.Nodes[2]
			took := harness.Eventually(t, patience, relayed(strict, a, b))
			t.Logf("once all had met, this took %v", took)
			update := func(text string) {
				t.Helper()
				publish(t, m, a, "config.json", []byte(text))
				took := harness.Eventually(t, patience, harness.Shows("config.json", []byte(text), b))
				t.Logf("%s is visible on the other laptop after %v", text, took)
			}
			update("one")
			update("two")
			large := bytes.Repeat([]byte("0123456789abcdef"), 10<<20/16)
			publish(t, m, a, "image", large)
			took = harness.Eventually(t, patience, harness.Shows("image", large, b))
			t.Logf("10 MiB are visible on the other laptop after %v", took)
			nat.Hosts[0].Unplug()
			if strict {
				harness.Eventually(t, patience, meets(false, a, b))
			} else {
				update("without a relay")
			}
			nat.Hosts[0].Plug()
			update("the relay is back")
			harness.Eventually(t, patience, harness.Equal(m.Nodes...))
		})
	}
}

// TestLaptopThatMoves has one go to another home: it is connected and up to date as soon as it has an address.
func TestLaptopThatMoves(t *testing.T) {
	nat, m := behindNAT(t, 2, false)
	relay, a, b := m.Nodes[0], m.Nodes[1], m.Nodes[2]
	for i, home := range []int{1, 0, 1} {
		began := time.Now()
		nat.Move(1, home)
		arrived := time.Now()
		content := fmt.Appendf(nil, "move %d\n", i)
		publish(t, m, relay, "config.json", content)
		harness.Eventually(t, patience, harness.Shows("config.json", content, a, b))
		t.Logf("in home %d: the move took %v, news came after %v", home, arrived.Sub(began), time.Since(arrived))
		content = append(content, "back\n"...)
		publish(t, m, a, "config.json", content)
		took := harness.Eventually(t, patience, harness.Shows("config.json", content, relay, b))
		t.Logf("its own news are everywhere after %v", took)
		harness.Eventually(t, patience, meets(true, a, relay, b))
	}
}
