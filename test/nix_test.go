package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dmfs/test/harness"
)

// nix runs a command of Nix without a store: to build is not for tests.
func nix(t *testing.T, command string, args ...string) string {
	t.Helper()
	harness.Need(t, command)
	args = append([]string{"--store", "dummy://", "--extra-experimental-features", "nix-command"}, args...)
	cmd := exec.CommandContext(t.Context(), command, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", command, args, err, stderr.String())
	}
	return string(out)
}

// nixpkgs is the directory lib of nixpkgs, which NIXPKGS_LIB names.
func nixpkgs(t *testing.T) string {
	t.Helper()
	lib := os.Getenv("NIXPKGS_LIB")
	if lib == "" {
		t.Skip("NIXPKGS_LIB does not name the directory lib of nixpkgs: the modules were not evaluated")
	}
	return lib
}

// evalNix reads what a Nix expression comes to; lib and the directory nix are known
// in it.
func evalNix(t *testing.T, expression string, into any) {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, "nix"))
	if err != nil {
		t.Fatal(err)
	}
	text := nix(t, "nix-instantiate", "--eval", "--strict", "--json", "--expr",
		"let lib = import "+nixpkgs(t)+"; nix = "+dir+"; in "+expression)
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // TOML tells 1 from 1.0
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func nixFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "nix", "*.nix"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	return append(files, filepath.Join(root, "flake.nix"))
}

func TestNixFilesParse(t *testing.T) {
	for _, file := range nixFiles(t) {
		nix(t, "nix-instantiate", "--parse", file)
	}
}

// TestNixVendorHash holds the package to go.mod: it does what buildGoModule does
// before it builds. package.nix says how to renew the hash.
func TestNixVendorHash(t *testing.T) {
	harness.Need(t, "nix")
	dir := filepath.Join(t.TempDir(), "vendor")
	vendor := exec.CommandContext(t.Context(), "go", "mod", "vendor", "-o", dir)
	vendor.Dir = root
	if out, err := vendor.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.TrimSpace(nix(t, "nix", "hash", "path", dir))
	text, err := os.ReadFile(filepath.Join(root, "nix", "package.nix"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`vendorHash = "(.*)";`).FindSubmatch(text)
	if want == nil || got != string(want[1]) {
		t.Errorf("go.mod has vendorHash = %q; package.nix has %q", got, want)
	}
}

// TestFlakeIsLocked looks whether the lock is for the inputs that the flake has:
// Nix would write another one, and so use other packages than anybody tested.
func TestFlakeIsLocked(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "flake.lock"))
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Nodes struct {
			Nixpkgs struct{ Locked, Original map[string]any }
			Root    struct{ Inputs map[string]string }
		}
		Version int
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	var flake struct{ URLs map[string]string }
	harness.Need(t, "nix-instantiate")
	inputs := nix(t, "nix-instantiate", "--eval", "--strict", "--json", "--expr",
		"{ URLs = builtins.mapAttrs (_: i: i.url) (import "+filepath.Join(mustAbs(t, root), "flake.nix")+").inputs; }")
	if err := json.Unmarshal([]byte(inputs), &flake); err != nil {
		t.Fatal(err)
	}
	o := lock.Nodes.Nixpkgs.Original
	locked := map[string]string{"nixpkgs": strings.Join([]string{"github:" + o["owner"].(string), o["repo"].(string), o["ref"].(string)}, "/")}
	if diff := cmp.Diff(locked, flake.URLs); diff != "" || lock.Version != 7 || len(lock.Nodes.Root.Inputs) != 1 {
		t.Errorf("locked is something else (-lock +flake):\n%s", diff)
	}
	for _, key := range []string{"rev", "narHash", "lastModified"} {
		if lock.Nodes.Nixpkgs.Locked[key] == nil {
			t.Errorf("flake.lock has no %s", key)
		}
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// flake has stand-ins for what nixpkgs builds.
const flake = `let
  outputs = (import (nix + "/../flake.nix")).outputs {
    self = outputs;
    nixpkgs = {
      inherit lib;
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ] (system: {
        stdenv.hostPlatform = lib.systems.elaborate system;
        callPackage = file: _: baseNameOf file;
        testers.runNixOSTest = baseNameOf;
        nixfmt-tree = "nixfmt";
      });
    };
  };
in { inherit (outputs) packages checks devShells; modules = lib.mapAttrs (_: toString) outputs.nixosModules; }`

func TestFlakeServesEverySystem(t *testing.T) {
	var got struct {
		Packages, Checks, DevShells map[string]map[string]string
		Modules                     map[string]string
	}
	evalNix(t, flake, &got)
	for _, system := range []string{"x86_64-linux", "aarch64-linux", "aarch64-darwin"} {
		checks := map[string]string{"dmfs": "package.nix"}
		if strings.HasSuffix(system, "linux") {
			checks["vm"] = "vm-test.nix"
		}
		if diff := cmp.Diff(checks, got.Checks[system]); diff != "" {
			t.Errorf("checks of %s (-want +got):\n%s", system, diff)
		}
		if got.Packages[system]["default"] != "package.nix" || got.DevShells[system]["default"] != "devshell.nix" {
			t.Errorf("%s: packages %v, shells %v", system, got.Packages[system], got.DevShells[system])
		}
	}
	if !slices.Contains(nixFiles(t), filepath.Join(root, "nix", filepath.Base(got.Modules["default"]))) {
		t.Errorf("no such module: %v", got.Modules)
	}
}

// TestNixVMTestCompiles checks what can be checked without the machines: that their
// configurations evaluate, and that the script is Python.
func TestNixVMTestCompiles(t *testing.T) {
	harness.Need(t, "python3")
	const test = `import (nix + "/vm-test.nix") {
		inherit lib;
		pkgs = {
			callPackage = _: _: { type = "derivation"; name = "dmfs"; outPath = "/dmfs"; meta.mainProgram = "dmfs"; };
			runCommand = name: _: _: "/keys";
		};
	}`
	var script string
	evalNix(t, "("+test+").testScript", &script)
	compile := exec.CommandContext(t.Context(), "python3", "-c", "import sys; compile(sys.stdin.read(), 'testScript', 'exec')")
	compile.Stdin = strings.NewReader(script)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, node := range []string{"alpha", "beta", "gamma"} {
		m := evalModule(t, "{ imports = [ ("+test+").nodes."+node+" ]; networking.hostName = \""+node+"\"; }")
		if len(m.Refused)+len(m.Warnings) > 0 {
			t.Errorf("%s: %v %v", node, m.Refused, m.Warnings)
		}
	}
}
