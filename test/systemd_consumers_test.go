package test

import (
	"fmt"
	"strings"
	"testing"

	"dmfs/test/harness"
)

// TestSystemdConsumers points real services at the mount. Whatever they come to
// serve was published at the other node.
func TestSystemdConsumers(t *testing.T) {
	m := bootMachine(t)
	s := newSite(t, m)
	s.run("systemctl", "start", "dmfs.service")
	for _, consumer := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"unbound", s.unbound},
		{"nginx", s.nginx},
		{"sshd", s.sshd},
	} {
		t.Run(consumer.name, func(t *testing.T) {
			m.during(t)
			consumer.run(t)
		})
	}
}

// startReload starts a path unit that runs commands, the last of which reloads a
// service, whenever a file of the mount changes.
func (s *site) startReload(name, file string, commands ...string) {
	s.t.Helper()
	s.write("reload.path", fmt.Sprintf("[Unit]\nDefaultDependencies=no\nAfter=dmfs.service\n[Path]\nPathChanged=%s/%s\n", local, file))
	s.write("reload.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart="+
		strings.Join(commands, "\nExecStart=")+"\n")
	for _, kind := range []string{".path", ".service"} {
		s.run("cp", "/test/reload"+kind, "/etc/systemd/system/"+name+kind)
	}
	s.run("systemctl", "daemon-reload")
	s.run("systemctl", "start", name+".path")
}

// answers waits until asking gives an answer.
func (s *site) answers(want string, ask func() (string, error)) {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		if got, err := ask(); err != nil || got != want {
			return fmt.Errorf("the answer is %.80q, not %.80q: %w", got, want, err)
		}
		return nil
	})
}
