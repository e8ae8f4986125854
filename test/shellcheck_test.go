package test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/test/harness"
)

// TestScriptsPassShellcheck looks at every script: those that are files, and those
// in other files.
func TestScriptsPassShellcheck(t *testing.T) {
	harness.Need(t, "shellcheck")
	for name, script := range scripts(t) {
		t.Run(name, func(t *testing.T) {
			dialect := "sh"
			if strings.HasPrefix(name, "bash: ") || strings.HasPrefix(script, "#!/usr/bin/env bash") {
				dialect = "bash"
			}
			// A document's commands may run what one printed, here or elsewhere.
			cmd := exec.CommandContext(t.Context(), "shellcheck", "--shell="+dialect, "--exclude=SC2046,SC2091,SC2029", "-")
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// scripts are all, by what they are.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{
		"makeTree": makeTree, "makeRepository": makeRepository, "rebuildCommand": rebuildCommand, "enterCgroups": enterCgroups,
		"README.md": readmeScript(t),
	}
	for _, pattern := range []string{"test/run", ".ci/run", "nix/recipes/*/*.sh"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, file := range files {
			all[file] = string(read(t, file))
		}
	}
	for _, session := range []struct{ document, heading string }{
		{"README.md", "## Two machines"}, {"README.md", "### dns"}, {"README.md", "### pull-deploy"}, {"README.md", "### authorized-keys"},
		{"README.md", "### agent"}, {"nix/data-mesher.md", "## Step by step"}, {"nix/data-mesher.md", noteSigning},
	} {
		var commands strings.Builder
		for _, s := range transcript(t, session.document, session.heading) {
			commands.WriteString(s.command)
		}
		all["bash: "+session.document+" "+session.heading] = commands.String()
	}
	completion, err := exec.CommandContext(t.Context(), filepath.Join(harness.Bin(t), "dmfs"), "completion", "bash").Output()
	if err != nil {
		t.Fatal(err)
	}
	all["bash: completion"] = string(completion)
	return all
}

// TestGeneratorsPassShellcheck does the same for what only Nix can put together.
func TestGeneratorsPassShellcheck(t *testing.T) {
	harness.Need(t, "shellcheck")
	for name, g := range evalClan(t, instance).Generators {
		cmd := exec.CommandContext(t.Context(), "shellcheck", "--shell=bash", "-")
		// The one who runs it says where it reads and writes.
		cmd.Stdin = strings.NewReader("in=$1 out=$2\n: \"$in$out\"\n" + g.Script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
