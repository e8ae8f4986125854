package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dmfs/trust"
)

const seedKey = `"config.json" = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ]`

// writeConfig puts text into a file of its own and reads it.
func writeConfig(t *testing.T, text string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dmfs.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFilesAloneAreAConfiguration: the table of the announcement needs nothing
// else.
func TestFilesAloneAreAConfiguration(t *testing.T) {
	c := writeConfig(t, "[files]\n"+seedKey+"\n"+
		`"data.bin" = [ "ZasdhiAVJTa5b2qG8ynWvdHqALUxC6Eg8pdn6RVXuQE=", "1ru2QQ1eWV7yDlyfTTDEml3xTiacASYn0KprzknN8Pc=" ]`)
	if len(c.Policy.Names()) != 2 || c.HasNetwork() {
		t.Errorf("names %v, network %v", c.Policy.Names(), c.HasNetwork())
	}
	want := []string{"/ip4/127.0.0.1/udp/7946/quic-v1", "/ip4/127.0.0.1/tcp/7946"}
	if !slices.Equal(c.Listen, want) {
		t.Errorf("without a network it listens at %v, want %v", c.Listen, want)
	}
	if c.SyncInterval != 30*time.Second || c.LogLevel != slog.LevelInfo || len(c.Bootstrap) != 0 {
		t.Errorf("defaults: %+v", c)
	}
	if c.StateDir != defaultStateDir() || c.Mountpoint != defaultMountpoint() {
		t.Errorf("state %q, mountpoint %q", c.StateDir, c.Mountpoint)
	}
	if want := filepath.Join(c.StateDir, "identity.key"); c.IdentityKey != want {
		t.Errorf("identity key %q, want %q", c.IdentityKey, want)
	}
}

func TestWholeConfiguration(t *testing.T) {
	const peer = "/ip4/10.0.0.1/tcp/7946/p2p/12D3KooWN3AK5ywx97Um3JzANRTmr4YbtzYfvoS1pZS7sPqThqku"
	c := writeConfig(t, `
mountpoint = "/mnt/mesh"
state_dir = "state"
log_level = "fatal"
cluster.push_pull_interval = "5s"
cluster.bootstrap_peers = [ "`+peer+`" ]
cluster.identity_key = "node.key"
[network]
id = "1ru2QQ1eWV7yDlyfTTDEml3xTiacASYn0KprzknN8Pc="
[files]
`+seedKey)
	dir := filepath.Dir(c.Path)
	if c.Mountpoint != "/mnt/mesh" || c.StateDir != filepath.Join(dir, "state") {
		t.Errorf("mountpoint %q, state %q", c.Mountpoint, c.StateDir)
	}
	if c.IdentityKey != filepath.Join(dir, "state", "node.key") {
		t.Errorf("identity key %q", c.IdentityKey)
	}
	if c.SyncInterval != 5*time.Second || c.LogLevel != levelFatal || !slices.Equal(c.Bootstrap, []string{peer}) {
		t.Errorf("interval %v, level %v, bootstrap %v", c.SyncInterval, c.LogLevel, c.Bootstrap)
	}
	if got := c.Policy.Network().String(); got != "1ru2QQ1eWV7yDlyfTTDEml3xTiacASYn0KprzknN8Pc=" {
		t.Errorf("network %q", got)
	}
	if !slices.Equal(c.Listen, defaultListen(true)) || c.Listen[1] != "/ip4/0.0.0.0/tcp/7946" {
		t.Errorf("with a network it listens at %v", c.Listen)
	}
}

// TestTrustOfAConfiguration: what each key of it becomes.
func TestTrustOfAConfiguration(t *testing.T) {
	const key = "1ru2QQ1eWV7yDlyfTTDEml3xTiacASYn0KprzknN8Pc="
	c := writeConfig(t, `
cluster.clock_skew = "5s"
cluster.max_future = "1h"
cluster.keep_versions = 7
[network]
id = "ZasdhiAVJTa5b2qG8ynWvdHqALUxC6Eg8pdn6RVXuQE="
namespaces = [ "telemetry", "logs/daily" ]
[policy]
signers = [ "`+key+`" ]
[revoked]
keys = [ "`+key+`" ]
certificates = [ "4f:3c" ]
[bounds]
"config.json" = { not_before = 1970-01-01T00:00:01Z, not_after = "1970-01-01T01:00:02+01:00" }
`)
	r := c.Rules
	if c.KeepVersions != 7 || r.ClockSkew != 5*time.Second || r.MaxFuture != time.Hour {
		t.Errorf("keeps %d versions, skew %v, future %v", c.KeepVersions, r.ClockSkew, r.MaxFuture)
	}
	if got := c.Policy.Namespaces(); !slices.Equal(got, []string{"logs/daily", "telemetry"}) {
		t.Errorf("namespaces %q", got)
	}
	if len(r.PolicySigners) != 1 || r.PolicySigners[0].Key.String() != key || len(c.Policy.Names()) != 1 {
		t.Errorf("signers of the policy %v, names %v", r.PolicySigners, c.Policy.Names())
	}
	if len(r.RevokedKeys) != 1 || r.RevokedKeys[0].String() != key || !slices.Equal(r.RevokedCertificates, []string{"4f:3c"}) {
		t.Errorf("revoked %v, %q", r.RevokedKeys, r.RevokedCertificates)
	}
	name, err := trust.ParseName("config.json")
	if want := (trust.Bounds{NotBefore: 1e9, NotAfter: 2e9}); err != nil || len(r.Bounds) != 1 || r.Bounds[name] != want {
		t.Errorf("bounds %v, want %v", r.Bounds, want)
	}
}

// TestDefaultsFollowTheUser walks the environment of root and of others.
func TestDefaultsFollowTheUser(t *testing.T) {
	t.Setenv("HOME", "/home/ann")
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/1000")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("XDG_CONFIG_HOME", "/home/ann/etc")
	got := []string{defaultMountpoint(), defaultStateDir(), defaultConfigPath()}
	want := []string{"/run/user/1000/data-mesher", "/home/ann/.local/state/dmfs", "/home/ann/etc/dmfs/dmfs.toml"}
	if os.Geteuid() == 0 {
		want = []string{"/run/data-mesher", "/var/lib/dmfs", "/etc/dmfs/dmfs.toml"}
	}
	if !slices.Equal(got, want) {
		t.Errorf("defaults %q, want %q", got, want)
	}
}
