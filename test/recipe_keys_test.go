package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// authorizedKeys ends a login in every way that ends it.
func (f *fleet) authorizedKeys(t *testing.T) {
	c := f.c
	c.put("/etc/ssh/sshd_config.d/dmfs-keys.conf", string(read(t, root+"/nix/recipes/authorized-keys/dmfs-keys.conf")), 0o644)
	c.sh("useradd --create-home ann && ssh-keygen -q -t ed25519 -N '' -f /root/id")
	c.run("systemctl", "enable", "--now", "ssh.service")
	key := c.run("cat", "/root/id.pub") + "\n"
	c.awaitLogin(false)
	f.b.knows(c)
	f.a.write("ann.pub", f.b.run("cat", "/root/.ssh/id_ed25519.pub")+"\n")
	f.follow(t, "### authorized-keys")

	f.a.publish("ssh/ann", key, "--ttl", "12h")
	t.Logf("admitted after %v", c.awaitLogin(true).Round(time.Millisecond))
	f.b.delete("ssh/ann")
	t.Logf("refused after %v", c.awaitLogin(false).Round(time.Millisecond))

	// The signer's clock is 20 s ahead of this machine's.
	const ahead, lifetime = 20 * time.Second, 20 * time.Second
	end := time.Now().Add(ahead + lifetime)
	f.a.publishAs(f, "ssh/ann", key, time.Now().Add(ahead), lifetime)
	c.awaitLogin(true)
	c.powerOff()
	f.a.delete("ssh/ann")
	c.host.Unplug()
	c.bootWithoutNetwork()
	t.Logf("admitted %v before the end, alone and without a network", time.Until(end).Round(time.Second))
	c.awaitLogin(true)
	c.awaitLogin(false)
	if early := time.Until(end); early > 0 {
		t.Errorf("access ended %v early", early)
	}
	t.Logf("refused %v after the end", time.Since(end).Round(time.Millisecond))
	c.run("systemctl", "restart", "dmfs.service")
	c.awaitLogin(false)
	c.host.Plug()
	c.run("systemctl", "stop", "never-online.service")
	f.a.publish("ssh/ann", key, "--ttl", "1h")
	c.awaitLogin(true)
}

// bootWithoutNetwork boots a machine on which the network never comes.
func (v *vessel) bootWithoutNetwork() {
	v.t.Helper()
	v.put("/etc/systemd/system/never-online.service", "[Unit]\nBefore=network-online.target\n[Service]\nType=oneshot\n"+
		"ExecStart=/bin/sleep infinity\nTimeoutStartSec=infinity\n[Install]\nWantedBy=network-online.target\n", 0o644)
	v.put("/etc/systemd/system/online.service", "[Unit]\nWants=network-online.target\n[Service]\nType=oneshot\n"+
		"ExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n", 0o644)
	v.enable("never-online.service", "online.service")
	v.begin()
	harness.Eventually(v.t, patience, v.findLeader)
	v.until("activating\nactive\n", "sh", "-c", "systemctl is-active never-online.service; systemctl is-active dmfs.service")
	// Path units of recipes are after dmfs.service, and it is after what systemd has
	// path units before: one of the two would be missing after each boot.
	v.until("active\n", "systemctl", "is-active", "paths.target")
}

// publishAs is publish with a time and a lifetime of one's choice.
func (v *vessel) publishAs(f *fleet, name, text string, at time.Time, lifetime time.Duration) {
	v.t.Helper()
	signature, err := f.admin.Sign(trust.DigestOf([]byte(text)), trust.Statement{Name: trusttest.Name(v.t, name),
		Version: trust.VersionAt(at), TTL: lifetime, Network: f.network.Public().Key})
	if err != nil {
		v.t.Fatal(err)
	}
	v.write("content", text)
	if err := os.WriteFile(filepath.Join(v.Dir, "signature"), signature, 0o644); err != nil {
		v.t.Fatal(err)
	}
	v.sh(fmt.Sprintf("cp /test/content %[1]s/%[2]s && cp /test/signature %[1]s/%[2]s.sig", local, name))
}

// awaitLogin logs in until sshd admits ann, or refuses her, and returns how long
// that took.
func (v *vessel) awaitLogin(want bool) time.Duration {
	v.t.Helper()
	return harness.Eventually(v.t, patience, func() error {
		out, err := v.try("ssh", "-i", "/root/id", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "ann@127.0.0.1", "id", "-un")
		admitted, refused := err == nil && out == "ann\n", strings.Contains(out, "Permission denied (publickey")
		if admitted != want || refused == want {
			return fmt.Errorf("ssh: %w: %s", err, out)
		}
		return nil
	})
}

// knows lets root at v log in elsewhere: v has a key, and knows w by its name.
func (v *vessel) knows(w *vessel) {
	v.t.Helper()
	v.put("/etc/hosts", "127.0.0.1 localhost\n"+w.host.Address+" "+w.name+"\n", 0o644)
	v.put("/root/.ssh/config", "BatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n", 0o600)
	v.sh("ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519")
}
