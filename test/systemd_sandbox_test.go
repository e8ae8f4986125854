package test

import (
	"fmt"

	"dmfs/test/harness"
)

// startSandboxed starts a reader with mounts of its own, among them what was the
// mount, and a directory in it, when it started.
func (s *site) startSandboxed() {
	s.t.Helper()
	s.startReader("sandboxed", "/srv/mesh/config.json",
		"PrivateMounts=yes", "ProtectSystem=strict", "TemporaryFileSystem=/srv", "InaccessiblePaths=/run/remote",
		"BindReadOnlyPaths="+local+":/srv/mesh", "BindReadOnlyPaths="+local+"/watched:/srv/watched")
}

// sandboxShowsNewest waits until the sandboxed reader has the newest files, too.
func (s *site) sandboxShowsNewest() {
	s.t.Helper()
	want := fmt.Sprintf(`{"N":%d}`, s.n)
	s.publish(remote, "watched/file", want)
	pid := s.run("systemctl", "show", "-P", "MainPID", "sandboxed.service")
	for _, path := range []string{local + "/config.json", "/srv/mesh/config.json", "/srv/watched/file"} {
		harness.Eventually(s.t, patience, func() error {
			if got, err := s.try("nsenter", "-t", pid, "-m", "cat", path); err != nil || got != want {
				return fmt.Errorf("in the sandbox %s is %q, not %q: %w", path, got, want, err)
			}
			return nil
		})
	}
}
