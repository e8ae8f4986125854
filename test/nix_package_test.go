package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dmfs/test/harness"
)

// built is what package.nix has nixpkgs do, on x86_64 Linux.
const built = `let
  package = import (nix + /package.nix) {
    inherit lib;
    stdenv = rec {
      hostPlatform = lib.systems.elaborate "x86_64-linux";
      buildPlatform = hostPlatform;
    };
    buildGoModule = x: x;
    installShellFiles = "installShellFiles";
    versionCheckHook = "versionCheckHook";
  };
in { inherit (package) version ldflags postInstall subPackages; }`

// installers stand in for nixpkgs': each wants files with something in them.
const installers = `
installManPage() {
  grep -q '^\.TH DMFS 1' "$1"
  echo man >> installed
}
installShellCompletion() {
  [[ $1 == --cmd && $2 == dmfs ]]
  shift 2
  while (($#)); do
    cat "$2" > script
    grep -q 'complet' script
    echo "${1#--}" >> installed
    shift 2
  done
}
`

// TestNixPackageInstalls builds with the package's flags, and runs what it does
// afterwards: the version is there, the page and the completions are made.
func TestNixPackageInstalls(t *testing.T) {
	harness.Need(t, "bash")
	var p struct {
		Version, PostInstall string
		Ldflags, SubPackages []string
	}
	evalNix(t, built, &p)
	out, work := t.TempDir(), t.TempDir()
	program := filepath.Join(out, "bin", "dmfs")
	run := func(dir, command string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), command, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "out="+out)
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, text)
		}
		return strings.TrimSpace(string(text))
	}
	run(root, "go", "build", "-ldflags", strings.Join(p.Ldflags, " "), "-o", program, "dmfs/"+p.SubPackages[0])
	run(work, "bash", "-euo", "pipefail", "-c", installers+p.PostInstall)

	installed := strings.Fields(run(work, "cat", "installed"))
	if diff := cmp.Diff([]string{"man", "bash", "fish", "zsh"}, installed); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	if got, want := run(work, program, "--version"), "dmfs version "+p.Version; got != want {
		t.Errorf("the program says %q, not %q", got, want)
	}
	if target, err := os.Readlink(filepath.Join(out, "bin", "mount.dmfs")); target != "dmfs" {
		t.Errorf("mount.dmfs is a link to %q: %v", target, err)
	}
}

// TestNixPackageHasAllSources looks for every directory with packages in it: what is
// not listed is missing where Nix builds, and only there.
func TestNixPackageHasAllSources(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "nix", "package.nix"))
	if err != nil {
		t.Fatal(err)
	}
	listed := strings.Fields(string(text))
	for _, s := range sources(t) {
		if top := "../" + strings.Split(s.path, "/")[0]; !slices.Contains(listed, top) {
			t.Fatalf("package.nix does not list %s", top)
		}
	}
}
