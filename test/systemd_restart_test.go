package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
)

// rounds is how often each kind of restart is tried.
func rounds() int {
	if testing.Short() {
		return 5
	}
	return 50
}

// survives restarts the node in one way, again and again, while services read,
// one of them in a sandbox that it entered before, and others watch and write.
func (s *site) survives(t *testing.T, kind string) {
	s.awaitPath("changed.path")
	s.startReader("reader", local+"/config.json")
	s.startSandboxed()
	stop := s.startWriter()
	for range rounds() {
		s.startAnew(t, kind)
		before := s.fired("changed")
		s.awaitUnit("changed.path", "waiting")
		s.publishNext()
		s.showsNewest()
		s.sandboxShowsNewest()
		harness.Eventually(t, patience, func() error {
			if s.fired("changed") <= before {
				return fmt.Errorf("PathChanged= does not fire after %s", kind)
			}
			return nil
		})
	}
	acknowledged, failed := stop()
	t.Logf("%d × %s: %d writes acknowledged, %d failed", rounds(), kind, acknowledged, failed)
	s.checkWritten(t, acknowledged)
	for _, unit := range []string{"reader", "sandboxed"} {
		r := s.stopReader(unit)
		t.Logf("%s: %d reads, longest pause %v, %d events", unit, r.Reads, r.Longest.Round(time.Millisecond), r.Moved)
		if r.Moved < int64(rounds()) || r.Reads < 10*rounds() {
			t.Errorf("%s was not there all the time", unit)
		}
	}
	if acknowledged == 0 {
		t.Error("nobody wrote meanwhile")
	}
}

// startAnew ends the node's process, or its program, and waits for the next.
func (s *site) startAnew(t *testing.T, kind string) {
	t.Helper()
	switch kind {
	case "exec":
		s.run("dmfs", "restart", "--mount", local)
	case "restart":
		s.run("systemctl", "restart", "dmfs.service")
	case "kill", "umount":
		pid := s.run("systemctl", "show", "-P", "MainPID", "dmfs.service")
		if kind == "kill" {
			s.run("kill", "-9", pid)
		} else {
			s.run("umount", "-l", local)
		}
		harness.Eventually(t, patience, func() error {
			state, err := s.try("systemctl", "show", "-P", "MainPID", "-P", "SubState", "dmfs.service")
			if strings.Contains(state, pid+"\n") || !strings.Contains(state, "running") {
				return fmt.Errorf("the service is %q: %w", state, err)
			}
			return nil
		})
	}
}

// upgrade replaces the program under the running node.
func (s *site) upgrade(t *testing.T) {
	s.startReader("reader", local+"/config.json")
	pid := s.run("systemctl", "show", "-P", "MainPID", "dmfs.service")
	old := s.run("stat", "-Lc", "%i", "/proc/"+pid+"/exe")
	s.sh("cp /test/dmfs /usr/bin/dmfs.new && mv /usr/bin/dmfs.new /usr/bin/dmfs")
	s.run("dmfs", "restart", "--mount", local)
	if after := s.run("systemctl", "show", "-P", "MainPID", "dmfs.service"); after != pid {
		t.Errorf("process %s became %s", pid, after)
	}
	if s.run("stat", "-Lc", "%i", "/proc/"+pid+"/exe") == old {
		t.Error("the old program still runs")
	}
	s.sh("head -c 100000 /test/dmfs > /usr/bin/dmfs.new && chmod +x /usr/bin/dmfs.new && mv /usr/bin/dmfs.new /usr/bin/dmfs")
	s.run("kill", "-USR2", pid)
	harness.Eventually(t, patience, func() error {
		out, err := s.try("journalctl", "-u", "dmfs.service", "--no-pager")
		if !strings.Contains(out, "not started anew") {
			return fmt.Errorf("no word of the broken program: %w", err)
		}
		return nil
	})
	s.sh("cp /test/dmfs /usr/bin/dmfs.new && mv /usr/bin/dmfs.new /usr/bin/dmfs")
	s.publishNext()
	s.showsNewest()
	s.run("systemctl", "restart", "dmfs.service")
	s.stopReader("reader")
}

// failingStart restarts into a broken configuration: the mount must go, for a
// mount that nobody serves holds everybody who looks at it.
func (s *site) failingStart(t *testing.T) {
	s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml && echo nonsense > /etc/dmfs/dmfs.toml")
	if out, err := s.try("systemctl", "restart", "dmfs.service"); err == nil {
		t.Errorf("it starts with a broken configuration: %s", out)
	}
	s.awaitUnit("dmfs.service", "failed")
	s.isUnmounted()
	s.run("ls", local)
	s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml && systemctl start dmfs.service")
	s.showsNewest()
	s.run("systemctl", "restart", "dmfs.service")
	s.showsNewest()
}

// mountedAnew: the kernel has cached how the live mount looks, so it cannot go on
// when [mount] changes; neither may a program be executed under it.
func (s *site) mountedAnew(t *testing.T) {
	s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml && printf '[mount]\nfile_mode = \"0400\"\n' >> /etc/dmfs/dmfs.toml")
	if out, err := s.try("dmfs", "restart", "--mount", local, "--timeout", "1s"); err == nil {
		t.Errorf("executed anew under a mount that looks otherwise: %s", out)
	}
	if mode := s.run("stat", "-c", "%a", local+"/config.json"); mode != "444" {
		t.Errorf("the live mount has mode %s", mode)
	}
	s.run("systemctl", "restart", "dmfs.service")
	if mode := s.run("stat", "-c", "%a", local+"/config.json"); mode != "400" {
		t.Errorf("mounted anew with mode %s", mode)
	}
	s.run("systemctl", "restart", "dmfs.service") // and this one goes on
	s.publishNext()
	s.showsNewest()
	s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml && systemctl restart dmfs.service")
	s.showsNewest()
}
