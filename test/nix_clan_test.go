package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dmfs/test/harness"
)

// generator makes keys in a Clan, once; its files are kept.
type generator struct {
	Files map[string]struct {
		Secret *bool // nil: it is one
		Deploy *bool // nil: it is
	}
	Script       string
	Dependencies []string
}

const instance = `{
	instanceName = "mesh";
	machine.name = "alpha";
	roles.default.machines = { alpha = { }; beta = { }; gamma = { }; };
	roles.bootstrap.machines = { alpha = { }; beta = { }; };
	settings = {
		port = 7000;
		interfaces = [ "ygg" ];
		certificateValidity = "48h";
		network.files.motd = [ "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=" ];
		network.namespaces = [ "telemetry" ];
	};
	exports = {
		dns.dataMesher = {
			files."dns/cnames" = [ (builtins.readFile (nix + "/../test/vectors/openssl.pub")) ];
			files.motd = [ "vd9RrxrEJY7S2SCCvj8R8qimCF05+EEl0jRU8qEM6NY=" ];
			namespaces = [ "wireguard" "telemetry" ];
		};
		other = { };
		none.dataMesher = null;
	};
}`

func evalClan(t *testing.T, arguments string) (m evaluated) {
	t.Helper()
	evalNix(t, "import (nix + /eval.nix) { inherit lib; instance = "+arguments+"; }", &m)
	return m
}

func TestClanServiceTakesExports(t *testing.T) {
	m := evalClan(t, instance)
	pem, err := os.ReadFile("vectors/openssl.pub")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]any{
		"dns/cnames": []any{string(pem)},
		"motd":       []any{"vd9RrxrEJY7S2SCCvj8R8qimCF05+EEl0jRU8qEM6NY=", "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk="},
	}
	if diff := cmp.Diff(files, m.Settings["files"]); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"wireguard", "telemetry"}, m.Settings["network"].(map[string]any)["namespaces"]); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	peers := []any{"/dns/beta.clan/udp/7000/quic-v1/p2p/peer-of-beta", "/dns/beta.clan/tcp/7000/p2p/peer-of-beta"}
	if diff := cmp.Diff(peers, m.Settings["cluster"].(map[string]any)["bootstrap_peers"]); diff != "" {
		t.Errorf("bootstrap_peers (-want +got):\n%s", diff)
	}
	ports := map[string]any{"allowedTCPPorts": []any{json.Number("7000")}, "allowedUDPPorts": []any{json.Number("7000")}}
	if diff := cmp.Diff(map[string]any{"interfaces": map[string]any{"ygg": ports}}, m.Firewall); diff != "" {
		t.Errorf("firewall (-want +got):\n%s", diff)
	}
}

func TestClanServiceWantsSomebodyToMeet(t *testing.T) {
	const machines = `roles.default.machines = { alpha = { }; }; roles.bootstrap.machines`
	alone := evalClan(t, instance+` // { `+machines+` = { }; }`)
	if len(alone.Refused) != 1 || !strings.Contains(alone.Refused[0], "'bootstrap'") {
		t.Errorf("refused: %q", alone.Refused)
	}
	lost := evalClan(t, instance+` // { `+machines+`.delta = { }; }`)
	if len(lost.Refused) != 1 || !strings.Contains(lost.Refused[0], "delta") {
		t.Errorf("a bootstrap machine that runs no node: %q", lost.Refused)
	}
	only := evalClan(t, instance+` // { `+machines+`.alpha = { }; }`)
	if len(only.Refused) != 0 {
		t.Errorf("the only bootstrap machine: %q", only.Refused)
	}
}

// A vars is where a Clan keeps what its generators made.
type vars struct {
	t    *testing.T
	dir  string
	made map[string]generator
}

// generate runs a generator as clan does: $in has what it depends on, and every
// file that it declares must come out, and nothing else.
func (v vars) generate(name string) {
	v.t.Helper()
	out := filepath.Join(v.dir, name)
	if err := os.RemoveAll(out); err != nil {
		v.t.Fatal(err)
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		v.t.Fatal(err)
	}
	script := exec.CommandContext(v.t.Context(), "bash", "-euo", "pipefail", "-c", v.made[name].Script)
	script.Env = append(os.Environ(), "out="+out, "in="+v.dir, "PATH="+harness.Bin(v.t)+":"+os.Getenv("PATH"))
	if text, err := script.CombinedOutput(); err != nil {
		v.t.Fatalf("%s: %v\n%s", name, err, text)
	}
	var made []string
	entries, err := os.ReadDir(out)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, e := range entries {
		made = append(made, e.Name())
	}
	declared := 0
	for _, file := range made {
		if _, ok := v.made[name].Files[file]; ok {
			declared++
		}
	}
	if declared != len(made) || declared != len(v.made[name].Files) {
		v.t.Errorf("%s made %v", name, made)
	}
}

func (v vars) read(name string) string {
	v.t.Helper()
	text, err := os.ReadFile(filepath.Join(v.dir, name))
	if err != nil {
		v.t.Fatal(err)
	}
	return string(text)
}

// TestClanGeneratorsMakeMembers runs the generators with the real program, and has
// dmfs doctor look at the configuration that uses what they made.
func TestClanGeneratorsMakeMembers(t *testing.T) {
	harness.Need(t, "bash")
	m := evalClan(t, instance)
	v := vars{t, t.TempDir(), m.Generators}
	const network, identity, certificate = "data-mesher-network", "data-mesher-node-identity", "data-mesher-node-certificate"
	for _, name := range []string{network, identity, certificate} {
		v.generate(name)
	}
	if deploy := m.Generators[network].Files["network.key"].Deploy; deploy == nil || *deploy {
		t.Error("the network's private key goes to the machines")
	}
	if secret := m.Generators[identity].Files["identity.key"].Secret; secret != nil && !*secret {
		t.Error("the identity key is not secret")
	}

	key, first := v.read(identity+"/identity.key"), v.read(certificate+"/identity.crt")
	v.generate(certificate)
	if v.read(identity+"/identity.key") != key {
		t.Error("renewal made another key")
	}
	if v.read(certificate+"/identity.crt") == first {
		t.Error("renewal made no other certificate")
	}

	cluster := m.Settings["cluster"].(map[string]any)
	cluster["bootstrap_peers"] = []string{"/dns/beta.clan/tcp/7000/p2p/" + strings.TrimSpace(v.read(identity+"/peer.id"))}
	for _, path := range []struct {
		table map[string]any
		key   string
	}{{cluster, "identity_key"}, {cluster, "identity_cert"}, {m.Settings["network"].(map[string]any), "id"}} {
		path.table[path.key] = strings.Replace(path.table[path.key].(string), "/vars", v.dir, 1)
	}
	m.Settings["mount"] = map[string]any{} // no group dmfs here
	findings := examine(t, m.Settings)
	if f := findings["config"]; f.State != "ok" {
		t.Fatalf("config %s: %s", f.State, f.Text)
	}
	if f := findings["member"]; f.State != "ok" && f.State != "warning" || !strings.Contains(f.Text, "alpha") {
		t.Errorf("member %s: %s", f.State, f.Text)
	}
	if f := findings["identity"]; f.State != "ok" || !strings.Contains(f.Text, strings.TrimSpace(v.read(identity+"/peer.id"))) {
		t.Errorf("identity %s: %s", f.State, f.Text)
	}
}
