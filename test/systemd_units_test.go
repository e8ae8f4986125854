package test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unitsAreValid asks systemd about what is shipped.
func (s *site) unitsAreValid(t *testing.T) {
	out := s.sh(`cd /etc/systemd/system && systemd-analyze verify dmfs.service dmfs-mount.service example.path example.service example-again.service '/etc/dmfs/run-data\x2dmesher.mount'`)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "dmfs") || strings.Contains(line, "example") || strings.Contains(line, "mesher") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
}

// exposure is a ceiling of what systemd says that dmfs.service exposes, of 10. What is
// left is what a service that mounts for others cannot do without.
const exposure = 4.7

func (s *site) serviceIsClosed(t *testing.T) {
	out := s.run("systemd-analyze", "security", "--no-pager", "dmfs.service")
	found := regexp.MustCompile(`Overall exposure level for dmfs\.service: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("no figure in %s", out)
	}
	t.Logf("dmfs.service exposes %s of 10", found[1])
	if got, err := strconv.ParseFloat(found[1], 64); err != nil || got > exposure {
		t.Errorf("more than %.1f: %v\n%s", exposure, err, out)
	}
}

// groupAndDirectories: what sysusers.d and tmpfiles.d make.
func (s *site) groupAndDirectories(t *testing.T) {
	s.run("systemd-sysusers", "dmfs.conf")
	s.run("systemd-tmpfiles", "--create", "dmfs.conf", "data-mesher.conf")
	out := s.sh("getent group dmfs | cut -d: -f1; stat -c '%a %U' /var/lib/dmfs /etc/dmfs; readlink /var/lib/data-mesher/files/home")
	if want := "dmfs\n700 root\n755 root\n" + local; out != want {
		t.Errorf("%q, not %q", out, want)
	}
}
