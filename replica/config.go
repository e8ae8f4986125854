package replica

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"time"

	"dmfs/trust"
)

// Config says who this node is and whom it talks to.
type Config struct {
	Identity     ed25519.PrivateKey
	Listen       []string      // multiaddrs; what does not work is tried again, see Troubles
	Bootstrap    []string      // multiaddrs with /p2p/ID, dialled for ever; our own are skipped
	PeersFile    string        // where the peers met last are remembered; empty: nowhere
	SyncInterval time.Duration // mean time between two syncs with a random peer; 0 is 30 s
	Version      string        // what peers are told: dmfs/<Version>
	Log          *slog.Logger  // nil discards

	// Announce are multiaddrs at which others reach us beside those of Listen, such as a forwarded port. They
	// are told first.
	Announce []string
	// Interfaces are patterns of path.Match. Addresses of other interfaces than these, or of those behind a "!",
	// are neither listened on nor told; "0.0.0.0" means each address of the others then. Empty: all count.
	Interfaces []string
	// Reachability is Auto when empty. Without Network it means nothing.
	Reachability Reachability
	// MDNS has members on the same LAN find each other. Without Network it means nothing.
	MDNS bool
	// Watch calls changed whenever the network of this machine may have changed, or it woke up, until ctx ends:
	// WatchMachine does. With nil this is noticed when connections fail.
	Watch func(ctx context.Context, changed func()) error

	// Met is told when a peer got connected and when it was lost, with the name in its certificate, empty
	// when none is known. It must return soon. nil is nobody.
	Met func(id, name string, connected bool)
	// Blamed is told what a peer does wrong, or a member that need not be connected, when the log is: once an
	// hour for each and each kind of fault. The name is the one in its certificate, empty when none is known. It
	// must return soon, and may be called by several goroutines. nil is nobody.
	Blamed func(id, name string, f Fault)
	// Heard is told when the Seq of a Peer may be another one. It must return soon. nil is nobody.
	Heard func()

	// Network, the one of the index's policy, has its members talk to nobody else, and prove that they are
	// members by what Certificate returns at that moment: a chain for the key of Identity. Without Certificate
	// nobody is asked for one. Zero is a network too, "local", that everybody may join.
	Network     trust.Key
	Certificate func() trust.Chain

	now   func() time.Time // judges what peers send; nil is time.Now
	crowd crowd            // zero is usual
}

// complete returns the configuration with what is meant where nothing is said.
func (c Config) complete() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.SyncInterval <= 0 {
		c.SyncInterval = 30 * time.Second
	}
	if c.Met == nil {
		c.Met = func(string, string, bool) {}
	}
	if c.Blamed == nil {
		c.Blamed = func(string, string, Fault) {}
	}
	if c.Heard == nil {
		c.Heard = func() {}
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}
