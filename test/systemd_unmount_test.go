package test

import (
	"fmt"
	"testing"

	"dmfs/test/harness"
)

func (s *site) isUnmounted() {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		if out, err := s.try("grep", " "+local+" ", "/proc/self/mountinfo"); err == nil {
			return fmt.Errorf("still mounted: %s", out)
		}
		return nil
	})
}

// stopUnmounts also from under somebody who is in the mount.
func (s *site) stopUnmounts(t *testing.T) {
	s.awaitUnit("example.path", "waiting")
	s.run("systemd-run", "--quiet", "--unit=inside", "-p", "WorkingDirectory="+local, "sleep", "infinity")
	s.run("systemctl", "stop", "dmfs.service")
	s.isUnmounted()
	s.awaitUnit("dmfs-mount.service", "dead")
	s.awaitUnit("example.path", "dead")
	if out := s.run("systemctl", "show", "-P", "Result", "dmfs.service"); out != "success" {
		t.Errorf("the service ended with %s", out)
	}
	s.run("systemctl", "stop", "inside.service")
	s.run("systemctl", "start", "dmfs.service")
	s.awaitUnit("example.path", "waiting")
	s.showsNewest()
	s.run("systemctl", "stop", "dmfs.service")
	s.isUnmounted()
}

// mountHelper mounts by hand, by /etc/fstab and by a mount unit.
func (s *site) mountHelper(t *testing.T) {
	const fstab = "/etc/dmfs/dmfs.toml " + local + " dmfs noauto,nofail,_netdev,x-systemd.mount-timeout=20s,umask=077 0 0"
	unit := `run-data\x2dmesher.mount`
	for _, way := range []struct{ name, prepare, mount, unmount string }{
		{"mount -t", "true", "mount -t dmfs /etc/dmfs/dmfs.toml " + local + " -o ro,allow_other", "umount " + local},
		{"mount unit", "mv '/etc/dmfs/" + unit + "' /etc/systemd/system/ && systemctl daemon-reload", "systemctl start '" + unit + "'", "systemctl stop '" + unit + "'"},
		{"fstab", "rm '/etc/systemd/system/" + unit + "' && echo '" + fstab + "' >> /etc/fstab", "mount " + local, "umount " + local},
		{"fstab by systemd", "systemctl daemon-reload", "systemctl start '" + unit + "'", "systemctl stop '" + unit + "'"},
	} {
		s.sh(way.prepare)
		s.sh(way.mount)
		if got := s.run("cat", local+"/config.json"); got != fmt.Sprintf(`{"N":%d}`, s.n) {
			t.Errorf("%s: it shows %q", way.name, got)
		}
		s.sh(way.unmount)
		s.isUnmounted()
		s.run("flock", "-w", "20", "/var/lib/dmfs/index.db", "true")
	}
}
