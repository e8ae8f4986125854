package replicatest

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"dmfs/replica"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/quic-go/quic-go"
)

// datagrams is a fabric of the level Datagrams: an IP address for each machine.
type datagrams struct {
	level Datagrams
	links *Links

	mu    sync.Mutex
	ports map[place]*port
	spare int // the next port for somebody who does not care
	extra []libp2p.Option
}

// place is a port of a machine.
type place struct{ number, port int }

func (l Datagrams) open(links *Links) fabric {
	return &datagrams{level: l, links: links, ports: make(map[place]*port), spare: 50000}
}

// listenPort is where every machine listens, at an address of its own.
const listenPort = 7946

func ipOf(number int) net.IP { return net.IPv4(10, 0, 0, byte(number+1)).To4() }

func (d *datagrams) addr(number int) string {
	return fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", ipOf(number), listenPort)
}

// sever does nothing: it is for the replicas to find out what is dead.
func (d *datagrams) sever(bool) {}

// open is none: what libp2p and pubsub leave open is not ours to count.
func (d *datagrams) open() []string { return nil }

func (d *datagrams) start(m *machine) (*replica.Replica, func() error, error) {
	var manager *quicreuse.ConnManager
	reuse := func(reset quic.StatelessResetKey, token quic.TokenGeneratorKey) (*quicreuse.ConnManager, error) {
		var err error
		manager, err = quicreuse.NewConnManager(reset, token,
			quicreuse.OverrideListenUDP(func(_ string, at *net.UDPAddr) (net.PacketConn, error) { return d.listen(m.number, at.Port) }),
			quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return oneIP(m.number), nil }))
		return manager, err
	}
	r, err := d.level.Start(context.Background(), m.config, m.index, m.now,
		append(d.extra, libp2p.QUICReuse(reuse), libp2p.DisableIdentifyAddressDiscovery())...) // which would keep a bubble busy
	if err != nil {
		return nil, nil, err
	}
	return r, func() error { return manager.Close() }, nil // a host does not close what is not its own
}

// oneIP says that a machine has one address.
type oneIP int

func (ip oneIP) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	return ipOf(int(ip)), nil
}

func (d *datagrams) listen(number, at int) (net.PacketConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at == 0 {
		at = d.spare
		d.spare++
	}
	here := place{number, at}
	if d.ports[here] != nil {
		return nil, fmt.Errorf("somebody listens on %v already", here)
	}
	p := &port{net: d, place: here, come: make(chan datagram, 1024), gone: make(chan struct{}), moved: make(chan struct{}, 1)}
	d.ports[here] = p
	return p, nil
}

// datagram is one that arrived.
type datagram struct {
	from  place
	bytes []byte
}

// port is a net.PacketConn.
type port struct {
	net *datagrams
	place
	come  chan datagram
	gone  chan struct{}
	moved chan struct{} // the deadline was

	mu       sync.Mutex
	closed   bool
	deadline time.Time
}

func (p *port) LocalAddr() net.Addr              { return p.address() }
func (p *port) SetWriteDeadline(time.Time) error { return nil } // a write never waits
func (p *port) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }

// SetReadBuffer and SetWriteBuffer are what QUIC would warn about without.
func (p *port) SetReadBuffer(int) error  { return nil }
func (p *port) SetWriteBuffer(int) error { return nil }

func (p *port) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	select {
	case p.moved <- struct{}{}:
	default:
	}
	return nil
}

func (p *port) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	close(p.gone)
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	delete(p.net.ports, p.place)
	return nil
}

// WriteTo sends a datagram; the links decide what becomes of it.
func (p *port) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-p.gone:
		return 0, net.ErrClosed
	default:
	}
	there, ok := placeOf(to)
	if !ok {
		return len(b), nil // nobody is there
	}
	wait, lost := p.net.links.queue(p.number, len(b))
	if lost {
		return len(b), nil
	}
	for _, after := range p.net.links.fate(p.number, there.number) {
		dg := datagram{p.place, append([]byte(nil), b...)}
		time.AfterFunc(wait+after, func() { p.net.deliver(there, dg) })
	}
	return len(b), nil
}

func (w place) address() *net.UDPAddr { return &net.UDPAddr{IP: ipOf(w.number), Port: w.port} }

func placeOf(a net.Addr) (place, bool) {
	udp, ok := a.(*net.UDPAddr)
	if !ok || udp.IP.To4() == nil {
		return place{}, false
	}
	w := place{int(udp.IP.To4()[3]) - 1, udp.Port}
	return w, w.address().IP.Equal(udp.IP)
}

func (d *datagrams) deliver(to place, dg datagram) {
	d.mu.Lock()
	p := d.ports[to]
	d.mu.Unlock()
	if p == nil {
		return
	}
	select {
	case p.come <- dg:
	default: // the buffer is full
	}
}

func (p *port) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		p.mu.Lock()
		deadline := p.deadline
		p.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			if !time.Now().Before(deadline) {
				return 0, nil, os.ErrDeadlineExceeded
			}
			late = time.After(time.Until(deadline))
		}
		select {
		case <-p.gone:
			return 0, nil, net.ErrClosed
		case dg := <-p.come:
			return copy(b, dg.bytes), dg.from.address(), nil
		case <-p.moved:
		case <-late:
		}
	}
}
