package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
)

func mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "run the node in the foreground until SIGTERM or SIGINT",
		ArgsUsage: "[MOUNTPOINT]",
		Description: `Mounts at MOUNTPOINT, else at the configuration's mountpoint, else at the
default; then connects to the other nodes. The files of the last run are
readable at once, with or without a network. Logs to standard error; tells
systemd (Type=notify) when the mount is there.

SIGTERM and SIGINT unmount; a second one, half a second later or more, ends the
process at once. SIGHUP reads the configuration again; a broken one is logged
and the old one stays. SIGUSR2 executes the program anew, an upgraded one too,
under the live mount: nobody who uses the mount notices (see dmfs restart).

Exit codes: 0 unmounted on request, 1 failed, 2 wrong command line or
configuration.`,
		Flags: []cli.Flag{
			configFlag(),
			&cli.BoolFlag{Name: "keep-mount", Usage: "leave the mount to systemd's descriptor store at SIGTERM, for the next start to take over; the unit that says so must unmount at its end"},
		},
		Action: runMount,
	}
}

func runMount(c *cli.Context) error {
	if err := takes(c, 0, 1); err != nil {
		return err
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if dir := c.Args().First(); dir != "" {
		if cfg.Mountpoint, err = filepath.Abs(dir); err != nil {
			return err
		}
	}
	if cfg.Mountpoint == "" {
		return usagef("dmfs mount DIR, or mountpoint = \"DIR\" in "+cfg.Path, "no mountpoint")
	}
	return runNode(c.Context, cfg, c.Bool("keep-mount"), c.App.ErrWriter)
}

// A node is all that runs while something is mounted.
type node struct {
	cfg    *Config
	keep   bool // the mount outlives the process
	log    *slog.Logger
	level  *slog.LevelVar
	id     *trust.Signer
	index  *index.Index
	report *reporter
	mount  *fs.FS

	leave func() // ends the network
	left  <-chan error
}

// runNode is one node from start to end: first what is on disk, then the
// mount, then the network, so that nothing waits for what it does not need.
func runNode(ctx context.Context, cfg *Config, keep bool, logTo io.Writer) error {
	n := &node{cfg: cfg, keep: keep, level: new(slog.LevelVar)}
	n.level.Set(cfg.LogLevel)
	n.log = slog.New(slog.NewTextHandler(logTo, &slog.HandlerOptions{Level: n.level}))
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGHUP, unix.SIGUSR2)
	if err := n.start(ctx); err != nil {
		return err
	}
	return n.stop(n.live(ctx, signals))
}

// start returns when the mount answers.
func (n *node) start(ctx context.Context) (err error) {
	if n.id, err = openState(n.cfg); err != nil {
		return err
	}
	if n.index, err = openIndex(n.cfg); err != nil {
		return err
	}
	n.report = &reporter{
		index: n.index, peerID: replica.PeerID(n.id.Public().Key), mountpoint: n.cfg.Mountpoint, started: time.Now(),
	}
	if n.mount, err = mountIndex(n.cfg, n.index, n.report, n.log); err != nil {
		return errors.Join(err, n.index.Close())
	}
	if n.keep {
		storeDevice(n.mount, n.log)
	}
	n.log.Info("mounted", "mountpoint", n.cfg.Mountpoint, "seq", n.index.Seq(), "peer", n.report.peerID)
	tell(n.log, "READY=1")
	n.join(ctx)
	return nil
}

func tell(log *slog.Logger, state string) {
	if err := notify(state); err != nil {
		log.Warn("systemd was not told", "state", state, "err", err)
	}
}

// openState makes the state directory, for this user alone, and the node's key.
func openState(cfg *Config) (*trust.Signer, error) {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return nil, fail(exitFailed, "set state_dir in "+cfg.Path, "cannot make the state directory: %w", err)
	}
	if err := os.Chmod(cfg.StateDir, 0o700); err != nil {
		return nil, fail(exitFailed, "set state_dir in "+cfg.Path+" to a directory of your own", "cannot use the state directory: %w", err)
	}
	id, err := identity(cfg.IdentityKey)
	if err != nil {
		return nil, fmt.Errorf("identity key %s: %w", cfg.IdentityKey, err)
	}
	return id, nil
}

func openIndex(cfg *Config) (*index.Index, error) {
	path := filepath.Join(cfg.StateDir, "index.db")
	ix, err := index.Open(path, cfg.Policy)
	switch {
	case errors.Is(err, index.ErrInUse):
		return nil, fail(exitFailed, "stop the other node, or give this one a state_dir of its own", "another node uses %s", path)
	case err != nil:
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	return ix, nil
}

func mountIndex(cfg *Config, ix *index.Index, report *reporter, log *slog.Logger) (*fs.FS, error) {
	// A mountpoint that a crash left stale cannot even be looked at: package
	// fs recovers it, so only a missing directory is made here.
	if _, err := os.Lstat(cfg.Mountpoint); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(cfg.Mountpoint, 0o755); err != nil {
			return nil, fail(exitFailed, "make it, or name another", "no mountpoint: %w", err)
		}
	}
	mount, err := fs.Mount(fs.Options{
		Mountpoint: cfg.Mountpoint, AllowOther: os.Geteuid() == 0, Log: log,
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		StateDir: cfg.StateDir, Device: inheritedDevice(),
		Pages: map[string]func() ([]byte, error){"status.json": report.render},
	}, ix)
	if err != nil {
		return nil, fail(exitFailed, "mounting needs /dev/fuse, and fusermount3 unless you are root", "cannot mount at %s: %w", cfg.Mountpoint, err)
	}
	return mount, nil
}

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
		network := startReplica(ctx, cfg, n.id, n.index, n.log)
		if network == nil {
			left <- nil
			return
		}
		n.report.replica.Store(network)
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

// startReplica tries until it works; nil when ctx ended first.
func startReplica(ctx context.Context, cfg *Config, id *trust.Signer, ix *index.Index, log *slog.Logger) *replica.Replica {
	const shortest, longest = time.Second, 30 * time.Second
	for pause := shortest; ctx.Err() == nil; pause = min(2*pause, longest) {
		network, err := replica.Start(ctx, replica.Config{
			Identity: id.Ed25519(), Listen: cfg.Listen, Bootstrap: cfg.Bootstrap, SyncInterval: cfg.SyncInterval,
			Network: cfg.Rules.Network, Version: buildVersion().Version, Log: log,
		}, ix)
		if err == nil {
			return network
		}
		wait := pause/2 + rand.N(pause)
		log.Error("no network; the files stay readable", "err", err, "retry", wait.Round(time.Millisecond))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}
