package test

import (
	"fmt"
	"strings"
	"testing"

	"dmfs/test/harness"
)

// TestSystemd runs the shipped units under a real systemd, with another node
// from which all changes come.
func TestSystemd(t *testing.T) {
	m := bootMachine(t)
	s := newSite(t, m)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"units are valid", s.unitsAreValid},
		{"the service is closed", s.serviceIsClosed},
		{"a group and directories", s.groupAndDirectories},
		{"ready when mounted, and for everybody", s.readyWhenMounted},
		{"path units fire for remote changes", s.pathUnitsFire},
		{"path units fire where no directory was", s.pathUnitsFireLater},
		{"reload", s.reload},
		{"exec", func(t *testing.T) { s.survives(t, "exec") }},
		{"restart", func(t *testing.T) { s.survives(t, "restart") }},
		{"kill", func(t *testing.T) { s.survives(t, "kill") }},
		{"upgrade", s.upgrade},
		{"a start that fails lets nobody wait", s.failingStart},
		{"another look is mounted anew", s.mountedAnew},
		{"watchers come back", s.watchersComeBack},
		{"stop unmounts", s.stopUnmounts},
		{"mount helper", s.mountHelper},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			m.during(t)
			step.run(t)
		})
		if !ok {
			return
		}
	}
}

// readyWhenMounted: when `systemctl start` returns, the mount answers; outside
// of the service's sandbox, and inside of others'.
func (s *site) readyWhenMounted(t *testing.T) {
	s.publishNext()
	s.run("systemctl", "start", "dmfs.service")
	s.run("grep", " "+local+" .* fuse.dmfs ", "/proc/self/mountinfo")
	s.run("cat", local+"/.dmfs/status.json")
	s.showsNewest()
	for _, sandbox := range [][]string{
		{"ProtectSystem=strict", "PrivateTmp=yes", "ProtectHome=yes"},
		{"DynamicUser=yes", "ProtectSystem=strict", "PrivateDevices=yes"},
	} {
		command := []string{"systemd-run", "--quiet", "--wait", "--pipe"}
		for _, p := range sandbox {
			command = append(command, "-p", p)
		}
		if out := s.run(append(command, "cat", local+"/config.json")...); out != `{"N":1}` {
			t.Errorf("a service with %v reads %q", sandbox, out)
		}
	}
	if s.run("systemctl", "is-active", "dmfs-mount.service") != "active" {
		t.Error("dmfs-mount.service is not there to unmount")
	}
}

// reload takes a new configuration under the mount and refuses a broken one.
func (s *site) reload(t *testing.T) {
	s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml")
	s.sh(`sed 's/"config.json" =/"extra.json" =/p; s/"extra.json" =/"config.json" =/' /etc/dmfs/good.toml > /etc/dmfs/dmfs.toml`)
	s.run("systemctl", "reload", "dmfs.service")
	harness.Eventually(t, patience, func() error {
		_, err := s.try("dmfs", "file", "update", "/test/content", "--name", "extra.json", "--key", "/test/my.key", "--mount", local)
		return err
	})
	s.sh("echo nonsense > /etc/dmfs/dmfs.toml")
	s.run("systemctl", "reload", "dmfs.service")
	harness.Eventually(t, patience, func() error {
		out, err := s.try("journalctl", "-u", "dmfs.service", "--no-pager")
		if !strings.Contains(out, "the old one stays") {
			return fmt.Errorf("no word of the broken configuration: %w", err)
		}
		return nil
	})
	s.publish(local, "extra.json", "still\n")
	s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml")
	s.run("systemctl", "reload", "dmfs.service")
}
