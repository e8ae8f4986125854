package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dmfs/test/harness"
)

// TestReadmeRunsAsWritten types every ```console block of README.md into one
// shell, in a fresh directory with dmfs in the path, and stops at the first
// command that fails.
func TestReadmeRunsAsWritten(t *testing.T) {
	needsFuse(t)
	script := readmeScript(t)
	dir := t.TempDir()
	buildDmfs(t, filepath.Join(dir, "bin", "dmfs"))
	// Whatever happens, the node that the session starts must not stay.
	cmd := exec.Command("sh", "-e", "-c", "trap 'kill $! 2>/dev/null || true; wait' EXIT\n"+script)
	cmd.Dir = filepath.Join(dir, "session")
	if err := os.Mkdir(cmd.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v in\n%s\nwhich printed\n%s", err, script, out)
	}
	if !strings.Contains(string(out), "Required key not available") {
		t.Errorf("the session no longer shows a refusal:\n%s", out)
	}
}

// TestReadmeMakesAPair has two new machines do what the README says, with a real
// sshd between them.
func TestReadmeMakesAPair(t *testing.T) {
	f := &fleet{t: t}
	lan := harness.NewLan(t, 2)
	alpha, beta := f.newVessel("alpha", nil, lan.Hosts[0]), f.newVessel("beta", nil, lan.Hosts[1])
	alpha.buildStatic("dmfs", "./cmd/dmfs")
	shells := map[string]shell{}
	for _, v := range []*vessel{alpha, beta} {
		v.equip(alpha)
		v.begin()
		shells[v.name] = func(command string) (string, error) {
			return v.try("env", "-C", "/root", "HOME=/root", "sh", "-c", command)
		}
	}
	alpha.await()
	beta.await()
	beta.knows(alpha)
	alpha.put("/root/.ssh/authorized_keys", beta.run("cat", "/root/.ssh/id_ed25519.pub")+"\n", 0o600)
	alpha.run("systemctl", "start", "ssh.service")
	follow(t, transcript(t, "README.md", "## Two machines"), shells)
}

// readmeScript collects the commands: a line that begins with "$ " and the
// lines that continue it, which begin with "> ".
func readmeScript(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				script.WriteString(command)
			} else if more, ok := strings.CutPrefix(line, "> "); ok {
				script.WriteString(more)
			}
		}
	}
	if script.Len() == 0 {
		t.Fatal("README.md shows no command")
	}
	return script.String()
}

// TestReadmeNamesWhatExists keeps the two commands of a fresh clone true.
func TestReadmeNamesWhatExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go run ./cmd/dmfs demo", "./test/run"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("README.md does not name %s", want)
		}
	}
	if lines := strings.Count(string(text), "\n"); lines > 200 {
		t.Errorf("README.md has %d lines, more than 200", lines)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(root, link[1])); err != nil {
			t.Errorf("README.md links to %v", err)
		}
	}
}

// TestReadmeShowsEveryRecipe in a section of at most ten lines. TestRecipes runs them.
func TestReadmeShowsEveryRecipe(t *testing.T) {
	text := string(read(t, filepath.Join(root, "README.md")))
	recipes, err := filepath.Glob(filepath.Join(root, "nix/recipes/*/module.nix"))
	if err != nil || len(recipes) == 0 {
		t.Fatalf("%d recipes: %v", len(recipes), err)
	}
	for _, recipe := range recipes {
		heading := "### " + filepath.Base(filepath.Dir(recipe)) + "\n"
		_, section, ok := strings.Cut(text, heading)
		section = regexp.MustCompile(`(?m)^##`).Split(section, 2)[0]
		if lines := 1 + strings.Count(strings.TrimRight(section, "\n")+"\n", "\n"); !ok || lines > 10 {
			t.Errorf("README.md has %d lines below %q", lines, heading)
		}
	}
}

func TestReadmeConfigurationIsAccepted(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 1 {
		t.Fatalf("README.md shows %d configurations", len(blocks))
	}
	if f := examineText(t, blocks[0][1])["config"]; f.State != "ok" {
		t.Errorf("%s: %s\n%s", f.State, f.Text, blocks[0][1])
	}
}

func buildDmfs(t *testing.T, to string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", to, "./cmd/dmfs")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// needsFuse skips a test that mounts where nothing can be mounted, loudly, and
// fails it in CI.
func needsFuse(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("CI must be able to mount: %v", err)
	}
	t.Skipf("NO MOUNT IS TESTED HERE: %v", err)
}
