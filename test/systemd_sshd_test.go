package test

import (
	"strings"
	"testing"
)

// sshd reads the keys of who logs in, and no unit tells it anything.
func (s *site) sshd(t *testing.T) {
	s.write("sshd.conf", "AuthorizedKeysFile "+local+"/ssh/%u\nStrictModes yes\nPasswordAuthentication no\n")
	s.sh("cp /test/sshd.conf /etc/ssh/sshd_config.d/mesh.conf && useradd --create-home ann")
	s.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/id")
	key := s.run("cat", "/root/id.pub") + "\n"
	s.run("systemctl", "start", "ssh.service")
	s.admits(t, false)
	s.publish(remote, "ssh/ann", key)
	s.shows("ssh/ann", key)
	s.admits(t, true)
	s.remotely("ssh/ann", "")
	s.vanishes("ssh/ann")
	s.admits(t, false)
	s.publish(remote, "ssh/ann", key, "--ttl", "20s")
	s.shows("ssh/ann", key)
	s.admits(t, true)
	s.vanishes("ssh/ann")
	s.admits(t, false)
}

// admits logs in, once.
func (s *site) admits(t *testing.T, want bool) {
	t.Helper()
	out, err := s.try("ssh", "-i", "/root/id", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "ann@127.0.0.1", "id", "-un")
	switch {
	case err == nil && out == "ann\n":
		if !want {
			t.Error("sshd admits who has no key")
		}
	case err != nil && strings.Contains(out, "Permission denied (publickey)"):
		if want {
			t.Error("sshd does not admit who has a key")
		}
	default:
		t.Errorf("ssh: %v: %s", err, out)
	}
}
