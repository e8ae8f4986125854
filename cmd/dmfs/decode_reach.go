package main

import (
	"errors"
	"path"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"dmfs/replica"
)

// maxAnnounce leaves room for other addresses among those that a node tells.
const maxAnnounce = 8

// reach reads how others reach the node.
func (d *document) reach(c *Config) (err error) {
	if c.Announce, err = d.addresses("announce", checkAnnounce); err != nil {
		return err
	}
	if len(c.Announce) > maxAnnounce {
		return d.refuse(d.line("cluster", "announce"), "leave out those that few nodes can use", "cluster.announce: %d addresses, at most %d are told", len(c.Announce), maxAnnounce)
	}
	if c.Interfaces, err = d.strings("cluster", "interfaces"); err != nil {
		return err
	}
	for _, pattern := range c.Interfaces {
		if err := checkInterface(pattern); err != nil {
			return d.refuse(d.lineOf(pattern, "cluster", "interfaces"), hintOf(err), "cluster.interfaces: %q: %w", pattern, err)
		}
	}
	if err := d.reachability(c); err != nil {
		return err
	}
	return d.mdns(c)
}

// reachability refuses without a network what would do nothing there.
func (d *document) reachability(c *Config) error {
	text, err := d.string("cluster", "reachability")
	if err != nil {
		return err
	}
	c.Reachability = replica.Reachability(either(text, string(replica.Auto)))
	switch line := d.line("cluster", "reachability"); {
	case c.Reachability == replica.Auto:
		return nil
	case c.Reachability != replica.Public && c.Reachability != replica.Private:
		return d.refuse(line, "one of: auto, public, private", "cluster.reachability %q is unknown", text)
	case !c.HasNetwork():
		return d.refuse(line, "make a network: dmfs init", "cluster.reachability: only members of a [network] relay for each other")
	}
	return nil
}

// mdns is for members: without a network it would invite everybody nearby.
func (d *document) mdns(c *Config) error {
	if err := d.decode(&c.MDNS, "true or false", []string{"cluster", "mdns"}); err != nil || !c.MDNS || c.HasNetwork() {
		return err
	}
	return d.refuse(d.line("cluster", "mdns"), "make a network: dmfs init", "cluster.mdns: without [network] everybody nearby could join")
}

func checkAnnounce(text string) error {
	const hint = "the address of a forwarded port, for example /ip4/198.51.100.7/udp/7946/quic-v1 or /dns/home.example.org/tcp/7946"
	addr, err := multiaddr.NewMultiaddr(text)
	switch {
	case err != nil:
	case manet.IsIPUnspecified(addr):
		err = errors.New("nobody can dial the unspecified address")
	case manet.IsIPLoopback(addr):
		err = errors.New("nobody else can dial the loopback address")
	case strings.Contains(text, "/p2p/"):
		err = errors.New("the peer id is added by dmfs")
	default:
		return checkTransport(addr, hint)
	}
	return &failure{err: err, hint: hint}
}

func checkInterface(pattern string) error {
	const hint = `names as ip link shows them, with * and ?; "!docker*" excludes`
	name := strings.TrimPrefix(pattern, "!")
	_, err := path.Match(name, "")
	if err == nil && (name == "" || strings.ContainsAny(name, "/ !")) {
		err = errors.New("not the name of an interface")
	}
	if err != nil {
		return &failure{err: err, hint: hint}
	}
	return nil
}

func checkListen(text string) error {
	const hint = "for example /ip4/0.0.0.0/tcp/7946 or /ip4/0.0.0.0/udp/7946/quic-v1"
	addr, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return &failure{err: err, hint: hint}
	}
	return checkTransport(addr, hint)
}

func checkBootstrap(text string) error {
	const hint = "for example /ip4/10.0.0.1/tcp/7946/p2p/12D3KooW...; `dmfs peer id` and `dmfs status` print the end of it"
	info, err := peer.AddrInfoFromString(text)
	if err != nil {
		return &failure{err: err, hint: hint}
	}
	if len(info.Addrs) == 0 {
		return &failure{err: errors.New("only a peer id"), hint: hint}
	}
	return checkTransport(info.Addrs[0], hint)
}

// checkTransport refuses what no transport of ours can use.
func checkTransport(addr multiaddr.Multiaddr, hint string) error {
	for _, code := range []int{multiaddr.P_TCP, multiaddr.P_QUIC_V1} {
		if _, err := addr.ValueForProtocol(code); err == nil {
			return nil
		}
	}
	return &failure{err: errors.New("neither tcp nor quic-v1"), hint: hint}
}
