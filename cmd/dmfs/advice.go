//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"dmfs/replica"
)

// explain says what was written and what to do next.
func (s *setup) explain(w io.Writer) error {
	for _, f := range s.files {
		fmt.Fprintf(w, "wrote %s\n", f.path)
	}
	start := "dmfs mount -c " + s.Config
	if s.network == nil {
		_, err := fmt.Fprintf(w, `
Where the network's key is, run:

  dmfs certificate sign --name %s --network-key network.key --identity-key %s --output %s.crt

Bring the certificate here, as %s, and start the node:

  %s
`, s.Name, s.identity.Public().Key, s.Name, s.certificate(), start)
		return err
	}
	_, err := fmt.Fprintf(w, `
Start this node:

  %s

On each other machine, run:

  dmfs init --network %s --policy-signer %s%s
`, start, s.Network, s.admin.Public().Key, s.peers())
	return err
}

// peers are the options by which others find this node.
func (s *setup) peers() string {
	var b strings.Builder
	id := replica.PeerID(s.identity.Public().Key)
	for _, addr := range s.addresses() {
		fmt.Fprintf(&b, " --peer %s/p2p/%s", addr, id)
	}
	return b.String()
}

// addresses are where others may reach this node. In place of an address that
// means all of the machine's own it has those.
func (s *setup) addresses() (all []string) {
	listen := s.Listen
	if len(listen) == 0 {
		listen = defaultListen(true)[:1]
	}
	for _, addr := range listen {
		version, rest, any := strings.Cut(addr, "/0.0.0.0/")
		if !any {
			version, rest, any = strings.Cut(addr, "/::/")
		}
		if !any {
			all = append(all, addr)
			continue
		}
		for _, ip := range ownAddresses(version == "/ip4") {
			all = append(all, version+"/"+ip+"/"+rest)
		}
	}
	return all
}

// ownAddresses are those of this machine that others may know it by.
func ownAddresses(four bool) (all []string) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then the user fills them in
	}
	for _, addr := range own {
		if ip, ok := addr.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && (ip.IP.To4() != nil) == four {
			all = append(all, ip.IP.String())
		}
	}
	return all
}
