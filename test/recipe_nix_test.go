package test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recipes is what NixOS makes of a configuration with all recipes; NixOS and its
// packages are stand-ins.
type recipes struct {
	Refused  []string
	Units    map[string]unitText
	User     map[string]unitText
	Settings struct {
		Files   map[string][]string
		Network struct{ Namespaces []string }
	}
	Dmfs struct{ Wants, After []string }
}

type unitText struct {
	Text     string
	WantedBy []string
}

const evalRecipes = `
let
	package = name: { inherit name; type = "derivation"; outPath = "/store/${name}"; meta.mainProgram = name; };
	raw = lib.mkOption { type = lib.types.listOf lib.types.raw; };
	any = lib.mkOption { type = lib.types.attrsOf lib.types.anything; default = { }; };
	inherit (lib.evalModules {
		modules = [ (nix + "/module.nix") (nix + "/recipes") configuration {
			config._module.args.pkgs = lib.genAttrs [ "coreutils" "gnugrep" "gnused" "diffutils" "git" "openssh" "util-linux" ] package // {
				callPackage = _: _: package "dmfs";
				formats.toml = _: { type = lib.types.attrsOf lib.types.anything; generate = _: value: value; };
				writeShellApplication = { name, text, bashOptions, runtimeInputs }: assert !lib.hasPrefix "#!" text; package name;
				writeShellScript = name: _: "/store/${name}";
			};
			options = {
				assertions = raw; warnings = raw; boot = any; networking = any; system = any; systemd = any; users = any;
				environment = { systemPackages = raw; etc = any; }; services = { openssh = any; unbound = any; };
			};
			config = {
				boot.kernelPackages.kernel.version = "6.12";
				networking.enableIPv6 = true;
				systemd.package = "/store/systemd";
				services.unbound.package = package "unbound";
				services.dmfs = { enable = true; mountPoint = "/srv/mesh"; settings.network.id = key; };
			};
		} ];
	}) config;
	key = "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk=";
in {
	refused = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
	units = removeAttrs (config.systemd.units or { }) [ "dmfs-mount.service" ];
	user = config.systemd.user.units or { };
	settings = { files = { }; } // config.environment.etc."dmfs/dmfs.toml".source;
	dmfs = { inherit (config.systemd.services.dmfs) wants after; };
}`

// evalRecipe evaluates all recipes with a part of services.dmfs.
func evalRecipe(t *testing.T, services string) (r recipes) {
	t.Helper()
	evalNix(t, "let configuration = { services.dmfs = "+services+"; }; in "+evalRecipes, &r)
	return r
}

const allRecipes = `rec {
	recipes.agent = { enable = true; key = "P6AE0lukf9/qmVglYrGPNYo5ZnpFrnqLeAzlCZF0lTk="; };
	recipes.authorized-keys = { enable = true; users.ann = [ recipes.agent.key ]; };
	recipes.dns = { enable = true; keys = [ recipes.agent.key ]; };
	recipes.machine-facts = { enable = true; textfile = "/srv/textfile"; };
	recipes.pull-deploy = { enable = true; keys = [ recipes.agent.key ]; };
	settings.cluster.identity_key = "/srv/identity.key";
}`

// TestRecipesOnNixOS compares units with the files that other systems take.
func TestRecipesOnNixOS(t *testing.T) {
	got := evalRecipe(t, allRecipes)
	if len(got.Refused) > 0 {
		t.Errorf("refused: %q", got.Refused)
	}
	units, user := map[string]unitText{}, map[string]unitText{}
	for path, text := range recipeUnits(t) {
		into := units
		if strings.Contains(path, "/agent/") {
			into = user
		}
		into[filepath.Base(path)] = onNixOS(text)
	}
	if diff := cmp.Diff(units, got.Units); diff != "" {
		t.Errorf("units (-files +NixOS):\n%s", diff)
	}
	if diff := cmp.Diff(user, got.User); diff != "" {
		t.Errorf("users' units (-files +NixOS):\n%s", diff)
	}
	names := slices.Sorted(maps.Keys(got.Settings.Files))
	if diff := cmp.Diff([]string{"deploy/target", "dns/cnames", "ssh/ann", "wallpaper"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	slices.Sort(got.Settings.Network.Namespaces)
	if diff := cmp.Diff([]string{"deployed", "facts"}, got.Settings.Network.Namespaces); diff != "" {
		t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if slices.Contains(slices.Concat(got.Dmfs.After, got.Dmfs.Wants), "network-online.target") {
		t.Error("keys wait for the network")
	}
}

// TestRecipeOnNixOSWithoutMore takes what is there by default.
func TestRecipeOnNixOSWithoutMore(t *testing.T) {
	got := evalRecipe(t, `{ recipes.machine-facts.enable = true; settings.state_dir = "/var/lib/mesh"; }`)
	if names := slices.Sorted(maps.Keys(got.Units)); !slices.Equal(names, []string{"dmfs-facts.service", "dmfs-facts.timer"}) {
		t.Errorf("units %q", names)
	}
	if text := got.Units["dmfs-facts.service"].Text; !strings.Contains(text, " /var/lib/mesh/identity.key ") {
		t.Errorf("signed with another identity:\n%s", text)
	}
}

// TestRecipesThatDoNotGoTogether: nobody could log in where an agent may write.
func TestRecipesThatDoNotGoTogether(t *testing.T) {
	for _, mode := range []string{"dir_mode", "file_mode"} {
		got := evalRecipe(t, `{ recipes.authorized-keys = { enable = true; users.ann = [ "KEY" ]; }; settings.mount.`+mode+` = "0775"; }`)
		if len(got.Refused) != 1 || !strings.Contains(got.Refused[0], "StrictModes") {
			t.Errorf("%s: refused: %q", mode, got.Refused)
		}
	}
}

// recipeUnits are the texts of all unit files, by path.
func recipeUnits(t *testing.T) map[string]string {
	t.Helper()
	units := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(root, "nix/recipes/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		switch filepath.Ext(path) {
		case ".nix":
			nix(t, "nix-instantiate", "--parse", path)
		case ".path", ".service", ".timer":
			units[path] = string(read(t, path))
		case ".sh":
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("%s is no program: %v", path, err)
			}
		}
	}
	if len(units) == 0 {
		t.Fatal("no units")
	}
	return units
}

// onNixOS is a unit file with the paths of the stand-ins.
func onNixOS(text string) unitText {
	pairs := []string{"/run/data-mesher", "/srv/mesh", "/var/lib/dmfs/identity.key", "/srv/identity.key", "/bin/systemctl",
		"/store/systemd/bin/systemctl", "/etc/dmfs/rebuild", "/store/rebuild", "/var/lib/prometheus/node-exporter", "/srv/textfile"}
	for _, name := range []string{"dmfs-dns", "dmfs-deploy", "dmfs-facts", "dmfs-facts-textfile", "dmfs-wallpaper"} {
		pairs = append(pairs, "/usr/lib/dmfs/"+name+".sh", "/store/"+name+"/bin/"+name)
	}
	u := unitText{Text: strings.NewReplacer(pairs...).Replace(text), WantedBy: []string{}}
	for line := range strings.Lines(text) {
		if units, ok := strings.CutPrefix(line, "WantedBy="); ok {
			u.WantedBy = strings.Fields(units)
		}
	}
	return u
}
