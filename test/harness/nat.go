package harness

import (
	"fmt"
	"testing"
)

// NAT is an internet with one public host, Hosts[0], and homes, each with a router that hides the hosts behind
// it. All homes use the same addresses, as they do. Hosts[1] is in the first home, Hosts[2] in the second one...
type NAT struct {
	*Lan
}

// NewNAT makes as many homes. Routers keep the port of what they let out, unless they are strict: then every
// destination sees another port, and nobody can punch a hole.
func NewNAT(t testing.TB, homes int, strict bool) *NAT {
	t.Helper()
	NeedRoot(t)
	n := &NAT{Lan: &Lan{t: t, switches: newHost(t, "")}}
	n.addSwitch()
	n.Hosts = []*Host{newHost(t, "203.0.113.1")}
	n.plug(n.Hosts[0], "eth0", "br0", n.Hosts[0].Address)
	for i := range homes {
		n.addHome(i, strict)
		laptop := newHost(t, "192.168.1.2")
		n.Hosts = append(n.Hosts, laptop)
		n.plug(laptop, "eth0", homeOf(i), laptop.Address)
		laptop.ip("route add default via 192.168.1.1")
	}
	return n
}

// homeOf is the name of a home's bridge.
func homeOf(i int) string { return fmt.Sprintf("home%d", i) }

// addHome adds a router, and a bridge behind it.
func (n *NAT) addHome(i int, strict bool) {
	n.t.Helper()
	n.switches.ip("link add %s type bridge", homeOf(i))
	n.switches.ip("link set %s up", homeOf(i))
	router := newHost(n.t, fmt.Sprintf("203.0.113.%d", 10+i))
	n.plug(router, "wan", "br0", router.Address)
	n.plug(router, "lan", homeOf(i), "192.168.1.1")
	router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
	masquerade := "masquerade"
	if strict {
		masquerade += " fully-random"
	}
	for _, rule := range []string{
		"add table ip home",
		"add chain ip home out { type nat hook postrouting priority 100; }",
		"add rule ip home out oifname wan " + masquerade,
		"add chain ip home in { type filter hook input priority 0; }",
		"add rule ip home in iifname wan ct state established,related accept",
		"add rule ip home in iifname wan drop", // or who punches first would take the port from who punches next
	} {
		router.run("nft", rule)
	}
}

// plug connects a host to a bridge.
func (n *NAT) plug(h *Host, device, bridge, address string) {
	n.t.Helper()
	n.ports++
	n.switches.ip("link add port%d type veth peer name %s netns %d", n.ports, device, h.holder.Process.Pid)
	n.switches.ip("link set port%d up master %s", n.ports, bridge)
	h.ip("address add %s/24 dev %s", address, device)
	h.ip("link set lo up")
	h.ip("link set %s up", device)
}

// Move carries a laptop into another home, where it gets another address. It has none on the way.
func (n *NAT) Move(laptop, home int) {
	n.t.Helper()
	h := n.Hosts[laptop]
	h.ip("link del eth0")
	h.Address = "192.168.1.77"
	n.plug(h, "eth0", homeOf(home), h.Address)
	h.ip("route add default via 192.168.1.1")
}
