//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"reflect"

	"golang.org/x/sys/unix"
)

// An ending says why a node stopped, and so what becomes of its mount.
type ending struct {
	program string // to be executed anew under the mount; "": none
	gone    bool   // somebody else unmounted
}

// live answers signals until the node is to end.
func (n *node) live(ctx context.Context, signals <-chan os.Signal) ending {
	for {
		select {
		case <-ctx.Done():
			n.log.Info("stopping")
			return ending{}
		case <-n.mount.Done():
			n.log.Warn("unmounted by somebody else", "mountpoint", n.cfg.Mountpoint)
			return ending{gone: true}
		case s := <-signals:
			if s == unix.SIGHUP {
				n.reload(ctx)
				continue
			}
			if e, ok := n.mayRestart(); ok {
				return e
			}
		}
	}
}

// mayRestart says what to execute anew. Whatever speaks against it is found now,
// while the old program still serves.
func (n *node) mayRestart() (ending, bool) {
	if _, durable := n.mount.Device(); !durable {
		n.log.Error("not started anew: this kernel cannot hand a live mount on", "needs", "Linux 6.9")
		return ending{}, false
	}
	path, err := program()
	if err == nil {
		_, err = n.readUnchanged()
	}
	if err != nil {
		n.log.Error("not started anew", "err", err, "hint", hintOf(err))
		return ending{}, false
	}
	n.log.Info("starting anew", "program", path)
	return ending{program: path}, true
}

// readUnchanged reads the configuration, and refuses one that the live mount
// cannot follow.
func (n *node) readUnchanged() (*Config, error) {
	cfg, err := readConfig(n.cfg.Path)
	if err != nil {
		return nil, err
	}
	if err := n.prevail(cfg); err != nil {
		return nil, err
	}
	if cfg.Mount.looks() != n.cfg.Mount.looks() || cfg.Mountpoint != n.cfg.Mountpoint {
		return nil, fail(exitFailed, "stop the node and start it", "mountpoint or [mount] have changed, which needs another mount")
	}
	return cfg, nil
}

// stop ends the network, the mount and the index, in this order, so that what
// the mount acknowledges is still stored.
func (n *node) stop(e ending) error {
	handOver := e.program != "" || n.keep && !e.gone
	if !handOver {
		tell(n.log, "STOPPING=1")
	}
	err := errors.Join(n.part(), n.monitor.stop())
	n.unfollow()
	device, durable := n.mount.Device()
	if handOver && durable {
		err = errors.Join(err, n.mount.Detach())
	} else {
		err = errors.Join(err, n.mount.Unmount())
	}
	if err = errors.Join(err, n.index.Close()); err != nil || e.program == "" {
		return err
	}
	return again(e.program, device, n.cfg.Mount.looks())
}

// reload takes a changed configuration, or keeps the old one when the new one
// is broken.
func (n *node) reload(ctx context.Context) {
	cfg, err := readConfig(n.cfg.Path)
	if err == nil {
		err = n.prevail(cfg)
	}
	if err == nil {
		err = n.policy.adopt(cfg.Policy)
	}
	if err != nil {
		n.log.Error("the configuration was not taken; the old one stays", "err", err, "hint", hintOf(err))
		return
	}
	n.policyChanged(ctx)
	n.level.Set(cfg.LogLevel)
	limit(n.index, cfg)
	n.adopt(ctx, cfg)
	n.renew()
	n.log.Info("configuration read again", "file", cfg.Path, "seq", n.index.Seq())
}

// adopt makes cfg the node's, except for what only a start can change.
func (n *node) adopt(ctx context.Context, cfg *Config) {
	old := n.cfg
	changed := cfg.StateDir != old.StateDir || cfg.IdentityKey != old.IdentityKey
	cfg.StateDir, cfg.IdentityKey = old.StateDir, old.IdentityKey
	if changed || cfg.Mountpoint != old.Mountpoint || cfg.Mount != old.Mount {
		n.log.Warn("mountpoint, state_dir, identity_key, [mount] and [drafts] are taken at the next start only")
	}
	cfg.Mountpoint, cfg.Mount = old.Mountpoint, old.Mount
	n.cfg = cfg
	if cfg.Metrics != old.Metrics {
		if err := n.monitor.stop(); err != nil {
			n.log.Warn("metrics over HTTP", "err", err)
		}
		n.monitor = n.report.startMonitor(cfg.Metrics, n.log)
	}
	n.credential.point(cfg.IdentityCert)
	if reflect.DeepEqual(reach(old), reach(cfg)) {
		return
	}
	if err := n.part(); err != nil {
		n.log.Warn("leaving the network", "err", err)
	}
	n.join(ctx)
}

// reach is the part of a configuration that needs another connection to the
// network.
func reach(c *Config) []any {
	return []any{
		c.Listen, c.Announce, c.Interfaces, c.Reachability, c.MDNS, c.Bootstrap, c.SyncInterval, c.Rules.Network, c.IdentityCert,
	}
}
