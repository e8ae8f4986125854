//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
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

Options of -o, as mount(8) has them: ro, rw, allow_other, uid=, gid=, umask=,
dir_mode=, file_mode=; they go before [mount] of the configuration. nosuid, nodev
and noexec always hold; those for fstab(5) are accepted and do nothing.

SIGTERM and SIGINT unmount; a second one, half a second later or more, ends the
process at once. SIGHUP reads the configuration again; a broken one is logged
and the old one stays. SIGUSR2 executes the program anew, an upgraded one too,
under the live mount: nobody who uses the mount notices (see dmfs restart).

Under the name mount.dmfs the program is a helper of mount(8), which runs this
command in the background: see mount.dmfs --help.

Exit codes: 0 unmounted on request, by a signal or by umount; 1 failed, also
when the mountpoint, the state directory or /dev/fuse cannot be used; 2 wrong
command line or configuration.`,
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringSliceFlag{Name: "o", Usage: "mount with `OPTIONS`, a list with commas"},
			&cli.BoolFlag{Name: "keep-mount", Usage: "leave the mount to systemd's descriptor store at SIGTERM, for the next start to take over; the unit that says so must unmount at its end"},
			logFlag(),
		},
		Action: runMount,
	}
}

// runMount is one node from start to end. A live mount that it was handed and
// cannot serve is given up.
func runMount(c *cli.Context) error {
	l, n := inherit(), &node{waiting: waiting(), keep: c.Bool("keep-mount")}
	err := n.configure(c)
	if err == nil {
		err = n.run(c.Context, &l)
	}
	if err != nil {
		return errors.Join(err, l.giveUp(n.mountpoint))
	}
	return nil
}

// configure reads the command line and the configuration.
func (n *node) configure(c *cli.Context) (err error) {
	if err := takes(c, 0, 1); err != nil {
		return err
	}
	if dir := c.Args().First(); dir != "" {
		if n.mountpoint, err = filepath.Abs(dir); err != nil {
			return err
		}
	}
	n.options = c.StringSlice("o")
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if err := n.prevail(cfg); err != nil {
		return err
	}
	if cfg.Mountpoint == "" {
		return usagef("dmfs mount DIR, or mountpoint = \"DIR\" in "+cfg.Path, "no mountpoint")
	}
	n.cfg, n.mountpoint, n.level = cfg, cfg.Mountpoint, new(slog.LevelVar)
	n.level.Set(cfg.LogLevel)
	if n.log, err = newLog(c.String("log"), c.App.ErrWriter, n.level); err != nil {
		return err
	}
	slog.SetDefault(n.log) // go-fuse and mDNS have no other
	return nil
}

// A node is all that runs while something is mounted.
type node struct {
	cfg        *Config
	mountpoint string   // of the command line, then of the configuration
	options    []string // of the command line
	keep       bool     // the mount outlives the process
	waiting    *os.File // who started the node, until it is mounted
	log        *slog.Logger
	level      *slog.LevelVar
	id         *trust.Signer
	index      *index.Index
	policy     *amender
	credential *credential
	report     *reporter
	mount      *fs.FS
	monitor    *monitor

	unfollow func() // ends the following of files, and returns when it has

	leave func() // ends the network
	left  <-chan error
}

// prevail puts what the command line says over what a configuration says.
func (n *node) prevail(cfg *Config) error {
	if n.mountpoint != "" {
		cfg.Mountpoint = n.mountpoint
	}
	return cfg.Mount.apply(n.options)
}

// run starts what is on disk, then the mount, then the network, so that nothing
// waits for what it does not need.
func (n *node) run(ctx context.Context, l *legacy) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGHUP, unix.SIGUSR2)
	if err := n.start(ctx, l); err != nil {
		return err
	}
	return n.stop(n.live(ctx, signals))
}

// start returns when the mount answers.
func (n *node) start(ctx context.Context, l *legacy) (err error) {
	if n.id, err = openState(n.cfg); err != nil {
		return err
	}
	if n.index, err = openIndex(n.cfg); err != nil {
		return err
	}
	if n.policy, err = newAmender(n.index, n.cfg.Policy, n.log); err != nil {
		return errors.Join(err, n.index.Close())
	}
	after := n.index.Seq()
	n.credential = newCredential(n.id.Public().Key, n.index, n.log)
	n.credential.point(n.cfg.IdentityCert)
	n.credential.read()
	n.report = &reporter{
		index: n.index, credential: n.credential, peerID: replica.PeerID(n.id.Public().Key),
		mountpoint: n.cfg.Mountpoint, started: time.Now(), indexPath: indexPath(n.cfg),
		journal: newJournal(time.Now()), counters: newCounters(), examine: make(chan struct{}, 1),
	}
	n.index.OnRefuse(n.report.refused)
	if err = n.mountIndex(l); err != nil {
		return errors.Join(err, n.index.Close())
	}
	n.report.mount.Store(n.mount)
	n.report.touch(eventsPage) // who watched an earlier process is to look at this one
	n.monitor = n.report.startMonitor(n.cfg.Metrics, n.log)
	n.follow(ctx, after)
	if n.keep {
		storeDevice(n.mount, n.cfg.Mount.looks(), n.log)
	}
	n.log.Info("mounted", "mountpoint", n.cfg.Mountpoint, "seq", n.index.Seq(), "peer", n.report.peerID)
	tell(n.log, "READY=1")
	if err := release(n.waiting); err != nil {
		n.log.Warn("who waits for the mount was not told", "err", err)
	}
	n.join(ctx)
	return nil
}

// follow has policy.toml and the certificate come into force as they change.
func (n *node) follow(ctx context.Context, after uint64) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { n.policy.follow(ctx, after, n.policyChanged) })
	running.Go(func() { n.credential.follow(ctx, n.renew) })
	running.Go(func() { n.report.watchCertificates(ctx) })
	n.unfollow = func() {
		cancel()
		running.Wait()
	}
}

// policyChanged has all who work by the policy follow it: the mount's
// directories, and whom the network admits.
func (n *node) policyChanged(ctx context.Context) {
	if err := n.mount.Refresh(ctx); err != nil && ctx.Err() == nil {
		n.log.Warn("directories do not follow the policy", "err", err)
	}
	if network := n.report.replica.Load(); network != nil {
		network.PolicyChanged()
	}
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
	path := indexPath(cfg)
	ix, err := index.Open(path, cfg.Policy)
	switch {
	case errors.Is(err, index.ErrInUse):
		return nil, fail(exitFailed, "stop the other node, or give this one a state_dir of its own", "another node uses %s", path)
	case err != nil:
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	limit(ix, cfg)
	return ix, nil
}

// limit says how much the index keeps.
func limit(ix *index.Index, cfg *Config) {
	ix.SetHistory(cmp.Or(cfg.KeepVersions, index.DefaultHistory))
	ix.SetQuota(cmp.Or(cfg.QuotaFiles, index.DefaultQuotaFiles), int64(cmp.Or(cfg.QuotaBytes, index.DefaultQuotaBytes)))
}

// mountIndex mounts, or takes the live mount over that l has.
func (n *node) mountIndex(l *legacy) (err error) {
	cfg := n.cfg
	if l.device != 0 && l.looks != cfg.Mount.looks() {
		n.log.Warn("mounted anew, since [mount] or -o have changed")
		if err := l.giveUp(cfg.Mountpoint); err != nil {
			return err
		}
	}
	device := l.device
	l.device = 0 // package fs serves or closes it
	n.mount, err = fs.Mount(fs.Options{
		Mountpoint: cfg.Mountpoint, Log: n.log, StateDir: cfg.StateDir, Device: device,
		AllowOther: cfg.Mount.AllowOther, ReadOnly: cfg.Mount.ReadOnly,
		UID: cfg.Mount.UID, GID: cfg.Mount.GID, DirMode: cfg.Mount.DirMode, FileMode: cfg.Mount.FileMode,
		MaxDrafts: cfg.Mount.MaxDrafts, MaxDraftBytes: cfg.Mount.MaxDraftBytes, DraftAge: cfg.Mount.DraftAge,
		Pages: n.report.pages(), Shown: n.report.shown,
	}, n.index)
	if err != nil {
		err = fail(exitFailed, mountHint(err, cfg.Mountpoint), "cannot mount: %w", err)
		return errors.Join(err, l.unstore())
	}
	return nil
}
