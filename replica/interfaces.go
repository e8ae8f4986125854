package replica

import (
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// interfaces says by their names which network interfaces count: those that a pattern matches, all when there
// is none, except for those that a pattern behind "!" matches.
type interfaces []string

func (list interfaces) check() error {
	for _, p := range list {
		if _, err := path.Match(strings.TrimPrefix(p, "!"), ""); err != nil {
			return fmt.Errorf("interfaces: %q: %w", p, err)
		}
	}
	return nil
}

func (list interfaces) admit(name string) bool {
	admitted := !slices.ContainsFunc(list, func(p string) bool { return !strings.HasPrefix(p, "!") })
	for _, p := range list {
		pattern, excluded := strings.CutPrefix(p, "!")
		match, err := path.Match(pattern, name)
		if err != nil || !match {
			continue
		}
		if excluded {
			return false
		}
		admitted = true
	}
	return admitted
}

// place is an address of this machine, and the interface that has it.
type place struct {
	name string
	ip   net.IP
}

// places returns the addresses of all interfaces that are up, but no link-local ones of IPv6, which nobody
// else could use.
func places() (all []place, err error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && (ip.IP.To4() != nil || !ip.IP.IsLinkLocalUnicast()) {
				all = append(all, place{i.Name, ip.IP})
			}
		}
	}
	return all, nil
}

// ofFamily reports whether an address is of the IP version of a listen address.
func (p place) ofFamily(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_IP4)
	return (err == nil) == (p.ip.To4() != nil)
}

// on returns a listen address at another IP address.
func (p place) on(a ma.Multiaddr) (ma.Multiaddr, error) {
	ip, err := manet.FromIP(p.ip)
	if err != nil {
		return nil, err
	}
	_, rest := ma.SplitFirst(a)
	return ma.Join(ip, rest.Multiaddr()), nil
}
