//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"time"

	"dmfs/replica"
)

// join connects the node in the background, again and again until it succeeds:
// a port in use or an address that is not there yet must not take the files
// away.
func (n *node) join(ctx context.Context) {
	ctx, n.leave = context.WithCancel(ctx)
	left := make(chan error, 1)
	n.left = left
	cfg := n.cfg
	if !cfg.HasNetwork() {
		n.log.Info("no network id: anybody who reaches the listen addresses may connect", "listen", cfg.Listen)
	}
	go func() {
		network := n.startReplica(ctx, cfg)
		if network == nil {
			left <- nil
			return
		}
		n.report.replica.Store(network)
		n.report.heard()              // before there was somebody to ask
		n.report.lookAtCertificates() // of those that it has met already
		network.Renewed()             // should it have been meanwhile
		n.log.Info("listening", "addresses", network.Addrs())
		<-ctx.Done()
		n.report.replica.Store(nil)
		left <- network.Close()
	}()
}

// part leaves the network and returns when nothing of it runs any more.
func (n *node) part() error {
	n.leave()
	return <-n.left
}

// startReplica tries until it works; nil when ctx ended first. What is wrong is
// logged once, until something else is.
func (n *node) startReplica(ctx context.Context, cfg *Config) *replica.Replica {
	const shortest, longest = time.Second, 30 * time.Second
	last := ""
	for pause := shortest; ctx.Err() == nil; pause = min(2*pause, longest) {
		network, err := n.tryReplica(ctx, cfg)
		if err == nil {
			return network
		}
		if ctx.Err() != nil { // we are stopping, which is no trouble
			return nil
		}
		if text := err.Error(); text != last && n.credential.missing() == nil { // which has said so itself
			n.log.Error("no network; the files stay readable", "err", err, "hint", hintOf(err))
			last = text
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-n.credential.changed():
			pause = shortest
		case <-ctx.Done():
		}
	}
	return nil
}

// tryReplica fails without a certificate when there is a network: a node that
// cannot show one could not ask for one, and would tell everybody everything.
func (n *node) tryReplica(ctx context.Context, cfg *Config) (*replica.Replica, error) {
	c := replica.Config{
		Identity: n.id.Ed25519(), Listen: cfg.Listen, Bootstrap: cfg.Bootstrap, SyncInterval: cfg.SyncInterval,
		Network: cfg.Rules.Network, Version: buildVersion().Version, Log: n.log,
		PeersFile: filepath.Join(cfg.StateDir, "peers"),
		Announce:  cfg.Announce, Interfaces: cfg.Interfaces, Reachability: cfg.Reachability,
		MDNS: cfg.MDNS, Watch: replica.WatchMachine, Met: n.report.met, Blamed: n.report.blamed, Heard: n.report.heard,
	}
	if cfg.HasNetwork() {
		if err := n.credential.missing(); err != nil {
			return nil, err
		}
		c.Certificate = n.credential.chain
	}
	return replica.Start(ctx, c, n.index)
}

// renew reads the node's certificate again, and shows peers one that is new.
func (n *node) renew() {
	if !n.credential.read() {
		return
	}
	if network := n.report.replica.Load(); network != nil {
		network.Renewed()
	}
}
