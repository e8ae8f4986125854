package main

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"dmfs/trust"
)

// known lists every key of the configuration; [files] and [bounds] have names
// for keys.
var known = map[string][]string{
	"mountpoint": nil, "state_dir": nil, "log_level": nil,
	"cluster": {
		"listen", "bootstrap_peers", "identity_key", "identity_cert", "push_pull_interval",
		"certificate_authorities", "clock_skew", "max_future", "keep_versions", "announce", "interfaces", "reachability", "mdns",
	},
	"network": {"id", "namespaces"},
	"policy":  {"signers"},
	"revoked": {"keys", "certificates"},
	"bounds":  nil,
	"mount":   {"uid", "gid", "dir_mode", "file_mode", "read_only"},
	"drafts":  {"max", "max_bytes", "max_age"},
	"quota":   {"files", "bytes"},
	"metrics": {"listen"},
	"files":   nil,
}

var levels = map[string]slog.Level{
	"fatal": levelFatal, "error": slog.LevelError, "warn": slog.LevelWarn,
	"info": slog.LevelInfo, "debug": slog.LevelDebug,
}

// readConfig reads, checks and completes the configuration at path. Every
// refusal names FILE:LINE.
func readConfig(path string) (*Config, error) {
	d, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	return d.config()
}

func (d *document) config() (*Config, error) {
	c := &Config{Path: d.path}
	for _, step := range []func(*Config) error{
		d.unknown, d.places, d.level, d.mount, d.drafts, d.network, d.files, d.cluster, d.reach, d.amounts, d.metrics, d.clocks,
		d.namespaces, d.authorities, d.signersOfPolicy, d.revoked, d.bounds, d.policy,
	} {
		if err := step(c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// unknown refuses keys that nobody will read, the first one in the text first.
func (d *document) unknown(*Config) error {
	for _, key := range d.md.Keys() {
		inside, ok := known[key[0]]
		isTable := inside != nil || key[0] == "files" || key[0] == "bounds"
		switch {
		case !ok:
			return d.refuse(d.line(key[0]), "keys here are: "+strings.Join(topKeys(), ", "), "unknown key %s", key[:1])
		case len(key) == 1 && isTable && d.md.Type(key...) != "Hash":
			return d.refuse(d.line(key...), "write ["+key[0]+"] on a line of its own, its keys below", "%s is no table", key)
		case key[0] == "files" && len(key) > 2, key[0] == "bounds" && len(key) > 2 && d.md.Type(key...) == "Hash":
			return d.refuse(d.line(key...), fmt.Sprintf("quote the name: %q = ...", strings.Join(key[1:], ".")),
				"a name in [%s] must be quoted: %s", key[0], key[1:])
		case key[0] == "bounds" && len(key) == 3 && key[2] != "not_before" && key[2] != "not_after":
			return d.refuse(d.line(key...), momentHint, "unknown key %s", key)
		case inside != nil && len(key) > 1 && !slices.Contains(inside, key[1]):
			return d.refuse(d.line(key[:2]...), "keys of ["+key[0]+"] are: "+strings.Join(inside, ", "), "unknown key %s", key[:2])
		}
	}
	return nil
}

func topKeys() []string {
	var keys []string
	for key := range known {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func (d *document) places(c *Config) error {
	mountpoint, err := d.string("mountpoint")
	if err != nil {
		return err
	}
	state, err := d.string("state_dir")
	if err != nil {
		return err
	}
	c.Mountpoint, c.StateDir = d.file(mountpoint), d.file(state)
	if c.Mountpoint == "" {
		c.Mountpoint = defaultMountpoint()
	}
	if c.StateDir == "" {
		c.StateDir = defaultStateDir()
	}
	if c.StateDir == "" {
		return d.refuse(1, `set state_dir = "/some/where"`, "no state_dir, and neither XDG_STATE_HOME nor HOME is set")
	}
	return nil
}

func (d *document) level(c *Config) error {
	word, err := d.string("log_level")
	if err != nil || word == "" {
		return err
	}
	level, ok := levels[word]
	if !ok {
		return d.refuse(d.line("log_level"), "one of: fatal, error, warn, info, debug", "log_level %q is unknown", word)
	}
	c.LogLevel = level
	return nil
}

func (d *document) network(c *Config) error {
	text, err := d.string("network", "id")
	if err != nil {
		return err
	}
	if _, ok := d.top["network"]; ok && text == "" {
		return d.refuse(d.line("network"), `write id = "KEY", or no [network]`, "[network] has no id")
	}
	if text == "" {
		return nil
	}
	key, err := d.key(text, "network", "id")
	c.Rules.Network = key.Key
	return err
}

// files reads [files]: for each name the keys that may sign it.
func (d *document) files(*Config) error {
	for _, key := range d.md.Keys() {
		if len(key) != 2 || key[0] != "files" {
			continue
		}
		name, err := trust.ParseName(key[1])
		if err != nil {
			return d.refuse(d.line(key...), "", "%w", err)
		}
		signers, err := d.signers(key)
		if err != nil {
			return err
		}
		d.rule(func(r *trust.Rules) { r.Files[name] = signers }, "", key...)
	}
	return nil
}

func (d *document) signers(key toml.Key) ([]trust.PublicKey, error) {
	texts, err := d.strings(key...)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, d.refuse(d.line(key...), "make one with: dmfs generate signing-key", "nobody may sign %s", key[1:])
	}
	var signers []trust.PublicKey
	for _, text := range texts {
		signer, err := d.key(text, key...)
		if err != nil {
			return nil, err
		}
		signers = append(signers, signer)
	}
	return signers, nil
}

// key reads a public key from text, or from the file that text names.
func (d *document) key(text string, path ...string) (trust.PublicKey, error) {
	key, err := trust.ParseKey(text)
	if err == nil {
		return key, nil
	}
	if file := d.file(text); !strings.ContainsAny(text, "\n") && exists(file) {
		key, err = trust.ReadKey(file)
	}
	if err != nil {
		return key, d.refuse(d.lineOf(text, path...), "", "%s: %w", toml.Key(path), err)
	}
	return key, nil
}

func (d *document) cluster(c *Config) (err error) {
	if c.Listen, err = d.addresses("listen", checkListen); err != nil {
		return err
	}
	if _, ok := d.value("cluster", "listen"); !ok {
		c.Listen = defaultListen(c.HasNetwork())
	}
	if c.Bootstrap, err = d.addresses("bootstrap_peers", checkBootstrap); err != nil {
		return err
	}
	if c.IdentityKey, err = d.state(c, "identity.key", "cluster", "identity_key"); err != nil {
		return err
	}
	if c.IdentityCert, err = d.state(c, "identity.crt", "cluster", "identity_cert"); err != nil {
		return err
	}
	if !c.HasNetwork() {
		c.IdentityCert = ""
	}
	c.SyncInterval, err = d.span(defaultSyncInterval, 100*time.Millisecond, 24*time.Hour, "cluster", "push_pull_interval")
	return err
}

// amounts reads how much is kept.
func (d *document) amounts(c *Config) (err error) {
	if c.KeepVersions, err = d.limit("cluster", "keep_versions"); err != nil {
		return err
	}
	if c.QuotaFiles, err = d.limit("quota", "files"); err != nil {
		return err
	}
	c.QuotaBytes, err = d.limit("quota", "bytes")
	return err
}

// metrics reads where others may ask how the node is.
func (d *document) metrics(c *Config) (err error) {
	if c.Metrics, err = d.string("metrics", "listen"); err != nil || c.Metrics == "" {
		return err
	}
	if _, err := net.ResolveTCPAddr("tcp", c.Metrics); err != nil {
		return d.refuse(d.line("metrics", "listen"), `for example "127.0.0.1:9946"`, "metrics.listen: %w", err)
	}
	return nil
}

// state reads the path of what is state, not configuration.
func (d *document) state(c *Config, otherwise string, path ...string) (string, error) {
	text, err := d.string(path...)
	if text = either(text, otherwise); !filepath.IsAbs(text) {
		text = filepath.Join(c.StateDir, text)
	}
	return text, err
}

func (d *document) addresses(key string, check func(string) error) ([]string, error) {
	addrs, err := d.strings("cluster", key)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		if err := check(addr); err != nil {
			return nil, d.refuse(d.lineOf(addr, "cluster", key), hintOf(err), "cluster.%s: %q is no address: %w", key, addr, err)
		}
	}
	return addrs, nil
}
