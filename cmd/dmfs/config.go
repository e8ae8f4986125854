package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/replica"
	"dmfs/trust"
)

// Config is what one node is told: every path absolute, every default filled
// in, everything in it checked.
type Config struct {
	Path       string // of the file that it was read from
	Mountpoint string // may be empty for a user without $XDG_RUNTIME_DIR
	StateDir   string
	LogLevel   slog.Level
	Mount      MountOptions

	Listen       []string // multiaddrs
	Announce     []string // multiaddrs
	Interfaces   []string // patterns of path.Match, some behind a "!"
	Reachability replica.Reachability
	MDNS         bool
	Bootstrap    []string // multiaddrs that end in /p2p/ID
	IdentityKey  string   // a path; the file is made on first start
	IdentityCert string   // a path; "": no network, and so no members
	SyncInterval time.Duration

	Metrics string // HOST:PORT for Prometheus; "": nowhere

	// How much is kept; 0: the index's default.
	KeepVersions           int // of each name
	QuotaFiles, QuotaBytes int // of each member in each namespace

	Rules  trust.Rules
	Policy *trust.Policy // made from Rules: without the policy that travels
}

// levelFatal is for `log_level = "fatal"`: silence up to the last word, which
// is the error that dmfs exits with.
const levelFatal = slog.LevelError + 4

const defaultSyncInterval = 30 * time.Second

// HasNetwork says whether the node belongs to a network, and so may be reached
// from elsewhere by default.
func (c *Config) HasNetwork() bool { return c.Rules.Network != trust.Key{} }

// defaultListen is where a node listens that is not told where. Without a
// network id anybody who reaches the port may join, so it stays on loopback.
func defaultListen(network bool) []string {
	host := "127.0.0.1"
	if network {
		host = "0.0.0.0"
	}
	return []string{"/ip4/" + host + "/udp/7946/quic-v1", "/ip4/" + host + "/tcp/7946"}
}

func defaultMountpoint() string {
	if os.Geteuid() == 0 {
		return "/run/data-mesher"
	}
	return under(os.Getenv("XDG_RUNTIME_DIR"), "data-mesher")
}

func defaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/dmfs"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "dmfs")
	}
	return under(os.Getenv("HOME"), ".local/state/dmfs")
}

func defaultConfigPath() string {
	if os.Geteuid() == 0 {
		return "/etc/dmfs/dmfs.toml"
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "dmfs/dmfs.toml")
	}
	return under(os.Getenv("HOME"), ".config/dmfs/dmfs.toml")
}

// under joins dir and rest; an unset dir stays "not known".
func under(dir, rest string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, rest)
}

func configFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "config", Aliases: []string{"c"}, EnvVars: []string{"DMFS_CONFIG"}, TakesFile: true,
		Usage: "read the configuration from `FILE`", DefaultText: defaultConfigPath(),
	}
}

// loadConfig reads the configuration that the command line, the environment
// or the default path names.
func loadConfig(c *cli.Context) (*Config, error) {
	path := c.String("config")
	if path == "" {
		path = defaultConfigPath()
	}
	if path == "" {
		return nil, usagef("name one with -c FILE or DMFS_CONFIG", "no configuration file")
	}
	cfg, err := readConfig(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("a complete one is: [files] and a line \"config.json\" = [ \"KEY\" ]; name it with -c FILE or DMFS_CONFIG",
			"no configuration at %s", path)
	}
	return cfg, err
}

// findConfig is loadConfig for commands that can do without: nil when nobody
// named a configuration and there is none at the default path.
func findConfig(c *cli.Context) (*Config, error) {
	if c.String("config") == "" {
		if path := defaultConfigPath(); path == "" || !exists(path) {
			return nil, nil
		}
	}
	return loadConfig(c)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
