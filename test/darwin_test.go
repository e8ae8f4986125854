package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKeyCommandsBuildForDarwin keeps the commands for keys, certificates and
// signatures where there is no mount: people make keys on the machine that they
// sit at. A file of cmd/dmfs that needs the mount says //go:build linux.
func TestKeyCommandsBuildForDarwin(t *testing.T) {
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(t.TempDir(), "dmfs"), "dmfs/cmd/dmfs")
	build.Env = append(os.Environ(), "GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
