package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"dmfs/test/harness"
)

// evaluated is what nix/eval.nix says of a configuration.
type evaluated struct {
	Refused, Warnings []string
	Settings          map[string]any
	Service           struct {
		Description                      string
		Wants, Requires, After, WantedBy []string
		UnitConfig, ServiceConfig        map[string]any
		StopIfChanged                    bool
	}
	Mount      string
	Firewall   map[string]any
	Generators map[string]generator
	Options    []struct{ Name, Description, Type string }
}

// evalModule evaluates a module for NixOS.
func evalModule(t *testing.T, module string) (m evaluated) {
	t.Helper()
	evalNix(t, "import (nix + /eval.nix) { inherit lib; module = "+module+"; }", &m)
	return m
}

const oneFile = `{
	services.dmfs = {
		enable = true;
		mountPoint = "/srv/mesh";
		settings.files."config.json" = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
	};
}`

// directives reads a unit file as a list of SECTION KEY=VALUE, in order.
func directives(text string) (found []string) {
	section := ""
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "["):
			section = line
		case line != "" && !strings.HasPrefix(line, "#"):
			found = append(found, section+" "+line)
		}
	}
	slices.Sort(found)
	return found
}

// directives says what NixOS writes into dmfs.service.
func (m evaluated) directives() (found []string) {
	add := func(section, key string, value any) {
		found = append(found, fmt.Sprintf("[%s] %s=%v", section, key, value))
	}
	add("Unit", "Description", m.Service.Description)
	for key, units := range map[string][]string{"Wants": m.Service.Wants, "Requires": m.Service.Requires, "After": m.Service.After} {
		for _, unit := range units {
			add("Unit", key, unit)
		}
	}
	for _, unit := range m.Service.WantedBy {
		add("Install", "WantedBy", unit)
	}
	for section, config := range map[string]map[string]any{"Unit": m.Service.UnitConfig, "Service": m.Service.ServiceConfig} {
		for key, value := range config {
			add(section, key, value)
		}
	}
	slices.Sort(found)
	return found
}

func shippedUnit(t *testing.T, name string, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "nix", "systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(replace...).Replace(string(text))
}

// TestNixOSRunsTheShippedUnits compares every directive, so that NixOS is as
// hardened as what the other tests run.
func TestNixOSRunsTheShippedUnits(t *testing.T) {
	m := evalModule(t, oneFile)
	service := shippedUnit(t, "dmfs.service", "/usr/bin/dmfs", "/dmfs/bin/dmfs", "/bin/kill", "/coreutils/bin/kill", "/run/data-mesher", "/srv/mesh")
	if diff := cmp.Diff(directives(service), m.directives()); diff != "" {
		t.Errorf("dmfs.service (-shipped +NixOS):\n%s", diff)
	}
	if m.Service.StopIfChanged {
		t.Error("an upgrade stops dmfs.service, and so unmounts")
	}
	const programs = "/run/current-system/sw/bin/"
	mount := shippedUnit(t, "dmfs-mount.service", "/bin/", programs, "/run/data-mesher", "/srv/mesh")
	if diff := cmp.Diff(directives(mount), directives(m.Mount)); diff != "" {
		t.Errorf("dmfs-mount.service (-shipped +NixOS):\n%s", diff)
	}
}

// everything sets each option of services.dmfs.settings.
const everything = `{
	services.dmfs = {
		enable = true;
		user = "root";
		group = "root";
		settings = {
			log_level = "debug";
			cluster = {
				listen = [ "/ip4/0.0.0.0/tcp/7000" "/ip6/::/udp/7001/quic-v1" "/ip4/0.0.0.0/tcp/0" ];
				bootstrap_peers = [ "/dns/alpha.clan/udp/7946/quic-v1/p2p/12D3KooWSkd9XqY6c2Xhc6h7cGmif7Rr8zfJipMrk1n8REdDUG3e" ];
				announce = [ "/dns/alpha.example.org/udp/7946/quic-v1" ];
				interfaces = [ "eth0" "!docker*" ];
				reachability = "public";
				mdns = true;
				identity_key = "/run/secrets/identity.key";
				identity_cert = "/run/secrets/identity.crt";
				push_pull_interval = "1m30s";
				certificate_authorities = [ ];
				clock_skew = "30s";
				max_future = "1h";
				keep_versions = 5;
			};
			mount = { dir_mode = "0775"; file_mode = "0444"; read_only = true; };
			drafts = { max = 10; max_bytes = 1000000; max_age = "5m"; };
			quota = { files = 10; bytes = 1000000; };
			metrics.listen = "127.0.0.1:9946";
			network = { id = (nix + "/../test/vectors/openssl.pub"); namespaces = [ "telemetry" ]; };
			policy.signers = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
			revoked = { keys = [ (builtins.readFile (nix + "/../test/vectors/minisign.pub")) ]; certificates = [ "0a1b" ]; };
			bounds."config.json".not_after = "2036-12-31T23:59:59Z";
			files."config.json" = [ (builtins.readFile (nix + "/../test/vectors/openssl.pub")) ];
		};
		openFirewall = true;
	};
}`

// TestNixSettingsAreReadByDmfs has the doctor look at a file with every option, and
// at one with as little as possible.
func TestNixSettingsAreReadByDmfs(t *testing.T) {
	m := evalModule(t, everything)
	// Nix would have copied it into its store.
	m.Settings["network"].(map[string]any)["id"] = filepath.Join(mustAbs(t, root), "test", "vectors", "openssl.pub")
	least := evalModule(t, oneFile)
	delete(least.Settings, "mount") // no group dmfs here
	for name, settings := range map[string]map[string]any{"everything": m.Settings, "one file": least.Settings} {
		if f := examine(t, settings)["config"]; f.State != "ok" {
			t.Errorf("%s: %s: %s", name, f.State, f.Text)
		}
	}
	want := map[string]any{"allowedTCPPorts": []any{json.Number("7000")}, "allowedUDPPorts": []any{json.Number("7001")}}
	if diff := cmp.Diff(want, m.Firewall); diff != "" {
		t.Errorf("firewall (-want +got):\n%s", diff)
	}
}

type finding struct{ Check, State, Text string }

// examine writes settings as NixOS does and asks dmfs doctor about them.
func examine(t *testing.T, settings map[string]any) map[string]finding {
	t.Helper()
	text, err := toml.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return examineText(t, text)
}

func examineText(t *testing.T, text []byte) map[string]finding {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dmfs.toml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	// It fails, as no node runs.
	out, failed := exec.CommandContext(t.Context(), filepath.Join(harness.Bin(t), "dmfs"), "doctor", "--json", "-c", path).Output()
	var all []finding
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %v\n%s", failed, err, out)
	}
	findings := map[string]finding{}
	for _, f := range all {
		findings[f.Check] = f
	}
	return findings
}

// TestNixOptionsAreTheDocumentedKeys compares the options, as their documentation is
// generated, with what `dmfs config keys` prints.
func TestNixOptionsAreTheDocumentedKeys(t *testing.T) {
	var top map[string]any
	md, err := toml.DecodeFile(filepath.Join(root, "cmd", "dmfs", "keys.toml"), &top)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, key := range md.Keys() {
		if table := key[0]; table == "files" || table == "bounds" {
			keys[table] = true
		} else if md.Type(key...) != "Hash" {
			keys[key.String()] = true
		}
	}
	options := map[string]bool{}
	for _, o := range evalModule(t, oneFile).Options {
		if o.Description == "" || o.Type == "" {
			t.Errorf("%s: its documentation is empty", o.Name)
		}
		if name, ok := strings.CutPrefix(o.Name, "services.dmfs.settings."); ok {
			options[strings.SplitN(name, ".<name>", 2)[0]] = true
		}
	}
	if diff := cmp.Diff(keys, options); diff != "" {
		t.Errorf("-documented +options:\n%s", diff)
	}
}

// TestNixPolicyNamesKeys: policy says by whom, keys say who that is.
func TestNixPolicyNamesKeys(t *testing.T) {
	m := evalModule(t, `{ services.dmfs = {
		enable = true;
		keys.ann = "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=";
		keys.bot = builtins.readFile (nix + "/../test/vectors/openssl.pub");
		policy.wallpaper = [ "ann" "bot" ];
		settings.files.wallpaper = [ "ZasdhiAVJTa5b2qG8ynWvdHqALUxC6Eg8pdn6RVXuQE=" ];
	}; }`)
	pem := string(read(t, filepath.Join("vectors", "openssl.pub")))
	want := map[string]any{"wallpaper": []any{"P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=", pem, "ZasdhiAVJTa5b2qG8ynWvdHqALUxC6Eg8pdn6RVXuQE="}}
	if len(m.Refused) > 0 {
		t.Errorf("refused: %q", m.Refused)
	}
	slices.SortFunc(m.Settings["files"].(map[string]any)["wallpaper"].([]any), byText)
	slices.SortFunc(want["wallpaper"].([]any), byText)
	if diff := cmp.Diff(want, m.Settings["files"]); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func byText(a, b any) int { return strings.Compare(a.(string), b.(string)) }

func TestNixModuleRefuses(t *testing.T) {
	const files = `services.dmfs.settings.files.motd = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ]; `
	for name, c := range map[string]struct{ config, want string }{
		"nothing is declared":       {``, "no file could ever exist"},
		"a namespace for nobody":    {`services.dmfs.settings.network.namespaces = [ "telemetry" ];`, "network.id does not say which"},
		"an open port for anybody":  {files + `services.dmfs.openFirewall = true;`, "read every file"},
		"a key that nobody knows":   {files + `services.dmfs.policy."a" = [ "anne" ];`, "anne"},
		"a name that dmfs refuses":  {`services.dmfs.settings.files."a/../b" = [ "KEY" ];`, "a/../b"},
		"a name that is reserved":   {`services.dmfs.settings.files."a.sig" = [ "KEY" ];`, "a.sig"},
		"a mountpoint of two minds": {files + `services.dmfs.settings.mountpoint = "/elsewhere";`, "set mountPoint"},
	} {
		t.Run(name, func(t *testing.T) {
			m := evalModule(t, "{ services.dmfs.enable = true; "+c.config+" }")
			if len(m.Refused) != 1 || !strings.Contains(m.Refused[0], c.want) {
				t.Errorf("refused: %q", m.Refused)
			}
		})
	}
	old := evalModule(t, `{ services.dmfs.enable = true; boot.kernelPackages.kernel.version = "6.6"; `+files+`}`)
	if len(old.Refused) != 0 || len(old.Warnings) != 1 {
		t.Errorf("on an old kernel refused: %q, warnings: %q", old.Refused, old.Warnings)
	}
}
