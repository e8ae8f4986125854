package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

var errExcluded = errors.New("its interface is none of those in interfaces")

// listening opens where a node listens, each address by itself: libp2p is content when one of several works.
// What does not work is tried again whenever something has changed.
type listening struct {
	net        network.Network
	log        *slog.Logger
	wanted     []ma.Multiaddr
	interfaces interfaces

	mu     sync.Mutex
	open   map[string]ma.Multiaddr // where libp2p listens, by what it was asked for
	faults map[string]error        // by what was asked for
}

func newListening(n network.Network, cfg Config) (*listening, error) {
	l := &listening{net: n, log: cfg.Log, interfaces: cfg.Interfaces, open: make(map[string]ma.Multiaddr)}
	var err error
	if l.wanted, err = parseAddrs("listen address", cfg.Listen); err != nil {
		return nil, err
	}
	for _, a := range l.wanted {
		if len(a) < 2 {
			return nil, fmt.Errorf("listen address %q: no transport", a)
		}
	}
	return l, l.interfaces.check()
}

// start fails when something cannot be listened on, and nothing else is.
func (l *listening) start() error {
	l.update()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) > 0 {
		return nil
	}
	for text, err := range l.faults {
		return fmt.Errorf("listen on %s: %w", text, err)
	}
	return nil
}

// update listens where it is possible now, and no more where the interfaces have no such address.
func (l *listening) update() {
	here, err := places()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.tell(l.faults)
	l.faults = make(map[string]error)
	targets := make(map[string]ma.Multiaddr)
	for _, a := range l.wanted {
		if err != nil && len(l.interfaces) > 0 {
			l.faults[a.String()] = err
			continue
		}
		for _, t := range l.targets(a, here) {
			targets[t.String()] = t
		}
	}
	for text, at := range l.open {
		if targets[text] == nil {
			l.close(text, at)
		}
	}
	for text, a := range targets {
		if l.open[text] == nil {
			l.listen(text, a)
		}
	}
}

// tell logs what went wrong that did not before, and the reverse.
func (l *listening) tell(before map[string]error) {
	for text, err := range l.faults {
		if before[text] == nil || before[text].Error() != err.Error() {
			l.log.Error("not listening", "address", text, "err", oneLine(err))
		}
	}
	for text := range before {
		if l.faults[text] == nil {
			l.log.Info("listening after all", "address", text)
		}
	}
}

// targets returns what an address of the configuration stands for: when only some interfaces count, the
// unspecified address is each of theirs, and one of another interface is none.
func (l *listening) targets(a ma.Multiaddr, here []place) (all []ma.Multiaddr) {
	if len(l.interfaces) == 0 {
		return []ma.Multiaddr{a}
	}
	ip, err := manet.ToIP(a)
	for _, p := range here {
		switch admitted := l.interfaces.admit(p.name); {
		case err != nil:
		case !ip.IsUnspecified() && !ip.Equal(p.ip):
		case !ip.IsUnspecified() && !admitted:
			l.faults[a.String()] = errExcluded
			return nil
		case ip.IsUnspecified() && admitted && p.ofFamily(a):
			if t, err := p.on(a); err == nil {
				all = append(all, t)
			}
		}
	}
	if err != nil || !ip.IsUnspecified() {
		return []ma.Multiaddr{a}
	}
	return all
}

func (l *listening) listen(text string, a ma.Multiaddr) {
	before := l.net.ListenAddresses()
	listen := func(a ma.Multiaddr) error { return l.net.Listen(a) }
	if n, ok := l.net.(interface{ AddListenAddr(ma.Multiaddr) error }); ok {
		listen = n.AddListenAddr // whose error is the system's alone
	}
	if err := listen(a); err != nil {
		l.faults[text] = err
		return
	}
	l.open[text] = a
	for _, at := range l.net.ListenAddresses() { // the port may have been any
		if !slices.ContainsFunc(before, at.Equal) {
			l.open[text] = at
		}
	}
}

func (l *listening) close(text string, at ma.Multiaddr) {
	delete(l.open, text)
	if n, ok := l.net.(interface{ ListenClose(...ma.Multiaddr) }); ok {
		n.ListenClose(at)
	}
}

// addrs returns where we listen, at the addresses that this machine has now: libp2p's own answer is up to a
// minute old.
func (l *listening) addrs() (all []ma.Multiaddr) {
	here, err := places()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.open {
		if err != nil || !manet.IsIPUnspecified(a) {
			all = append(all, a)
			continue
		}
		for _, p := range here {
			if at, err := p.on(a); err == nil && p.ofFamily(a) {
				all = append(all, at)
			}
		}
	}
	return all
}

// has reports whether a connection from a port of ours is from one on which we listen.
func (l *listening) has(local ma.Multiaddr) bool {
	port, err := local.ValueForProtocol(ma.P_UDP)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.open {
		if p, err := a.ValueForProtocol(ma.P_UDP); err == nil && p == port {
			return true
		}
	}
	return false
}

// trouble says in one line for each address what keeps us from listening there.
func (l *listening) trouble() (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, err := range l.faults {
		lines = append(lines, fmt.Sprintf("not listening on %s: %s", text, oneLine(err)))
	}
	slices.Sort(lines)
	return lines
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
