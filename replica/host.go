package replica

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	p2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxConns = 2048 // in each direction
	lowConns = 512  // what the connection manager trims to when it has twice as many
)

// newHost makes a host that does not listen yet: nobody shall identify us before our handlers are set.
func newHost(cfg Config, e *efforts, extra ...libp2p.Option) (host.Host, error) {
	quietLibp2p(cfg.Log)
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Identity)
	if err != nil {
		return nil, fmt.Errorf("identity key: %w", err)
	}
	resources, err := newResourceManager()
	if err != nil {
		return nil, fmt.Errorf("resource limits: %w", err)
	}
	conns, err := connmgr.NewConnManager(lowConns, 2*lowConns, connmgr.WithGracePeriod(time.Minute))
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	opts := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.NoListenAddrs,
		libp2p.Transport(quic.NewTransport, quic.WithTLSIdentityOption(p2ptls.WithCertTemplate(certificate()))),
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()), // else a second node could share our port
		libp2p.ResourceManager(pacedResources{resources, e}),
		libp2p.ConnectionManager(conns),
		libp2p.UDPBlackHoleSuccessCounter(nil), // most peers being off is normal, not a black hole
		libp2p.IPv6BlackHoleSuccessCounter(nil),
		libp2p.ForceReachabilityPrivate(), // no AutoNAT
		libp2p.DisableMetrics(),
		libp2p.ProtocolVersion("dmfs/1"),
		libp2p.UserAgent(agentOf(cfg)),
	}
	return libp2p.New(append(opts, extra...)...)
}

// newResourceManager lifts the limits that hurt a small private network: by default the ninth node behind
// one address is refused, new connections are rationed, and a small machine takes only 64.
func newResourceManager() (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	limitRelay(&limits)
	conns := func(n int) rcmgr.ResourceLimits {
		return rcmgr.ResourceLimits{
			Conns:         rcmgr.LimitVal(2 * n),
			ConnsInbound:  rcmgr.LimitVal(n),
			ConnsOutbound: rcmgr.LimitVal(n),
		}
	}
	partial := rcmgr.PartialLimitConfig{System: conns(maxConns), Transient: conns(maxConns / 8)}
	subnet := func(prefix int) []rcmgr.ConnLimitPerSubnet {
		return []rcmgr.ConnLimitPerSubnet{{PrefixLength: prefix, ConnCount: maxConns}}
	}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(partial.Build(limits.AutoScale())),
		rcmgr.WithLimitPerSubnet(subnet(32), subnet(56)),
		rcmgr.WithConnRateLimiters(&rate.Limiter{}),
		rcmgr.WithMetricsDisabled())
}

// certificate is the template of the certificate that QUIC shows. It is valid at any time that a clock
// may believe: a machine without a battery must be able to connect.
func certificate() *x509.Certificate {
	serial := func() *big.Int {
		var b [8]byte
		rand.Read(b[:]) // never fails
		b[0] &= 0x7f
		return new(big.Int).SetBytes(b[:])
	}
	return &x509.Certificate{
		SerialNumber: serial(),
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
		Subject:      pkix.Name{SerialNumber: serial().String()},
	}
}

// parseAddrs reads multiaddrs; what says which ones.
func parseAddrs(what string, texts []string) (addrs []ma.Multiaddr, err error) {
	for _, text := range texts {
		a, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", what, text, err)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// parsePeers joins the addresses of each peer.
func parsePeers(addrs []string) ([]peer.AddrInfo, error) {
	parsed := make([]ma.Multiaddr, len(addrs))
	for i, text := range addrs {
		info, err := peer.AddrInfoFromString(text)
		if err != nil {
			return nil, fmt.Errorf("bootstrap peer %q: %w", text, err)
		}
		if len(info.Addrs) == 0 {
			return nil, fmt.Errorf("bootstrap peer %q: no address before /p2p", text)
		}
		if parsed[i], err = ma.NewMultiaddr(text); err != nil {
			return nil, fmt.Errorf("bootstrap peer %q: %w", text, err)
		}
	}
	return peer.AddrInfosFromP2pAddrs(parsed...)
}
