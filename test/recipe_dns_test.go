package test

import (
	"fmt"
	"testing"
	"time"

	"dmfs/test/harness"
)

// dns has unbound answer at one machine from what is published at another.
func (f *fleet) dns(t *testing.T) {
	c := f.c
	c.put("/etc/unbound/unbound.conf.d/dmfs-dns.conf", string(read(t, root+"/nix/recipes/dns/dmfs-dns.conf")), 0o644)
	c.put("/etc/unbound/unbound.conf.d/site.conf", "server:\n    local-zone: \"mesh.test.\" static\n    local-zone: \"whole.test.\" redirect\n", 0o644)
	c.put("/etc/unbound/unbound.conf.d/root-auto-trust-anchor-file.conf", "# there is no network to have it from\n", 0o644)
	c.put("/etc/resolv.conf", "nameserver 127.0.0.1\n", 0o644)
	c.run("systemctl", "start", "unbound.service")
	c.install("dns")
	f.follow(t, "### dns")
	record := func(address string) string { return fmt.Sprintf("local-data: \"web.mesh.test. A %s\"\n", address) }
	for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
		f.a.publish("dns/cnames", "# by hand\n"+record(address))
		t.Logf("resolved after %v", c.resolves(address).Round(time.Millisecond))
	}
	for name, text := range map[string]string{
		"no records at all":       "hello\n",
		"another option":          "do-ip6: no\n",
		"two options in one line": record("192.0.2.3") + "local-data: \"x. A 192.0.2.4\" do-ip6: no\n",
		"a quote that goes on":    "local-data: \"x. A 192.0.2.4\\\" include: \"/etc/passwd\"\n",
		"a NUL":                   "local-data: \"x. A 192.0.2.4\"\x00\n",
		"no such type":            "local-zone: \"x.\" nonsense\n",
		"no such record":          "local-data: \"x. A elsewhere\"\n",
		"against the rest":        "local-data: \"www.whole.test. A 192.0.2.4\"\n",
	} {
		c.settle("dmfs-dns", "dmfs-dns-again", "unbound") // forgets the starts that systemd counts, too
		f.a.publish("dns/cnames", text)
		harness.Eventually(t, patience, func() error {
			_, err := c.try("systemctl", "-q", "is-failed", "dmfs-dns.service")
			return err
		})
		t.Logf("%s: %s", name, c.run("journalctl", "-n1", "-ocat", "-tdmfs-dns.sh"))
		c.run("systemctl", "restart", "unbound.service")
		c.resolves("192.0.2.2")
	}
	c.run("systemctl", "stop", "dmfs.service")
	c.run("systemctl", "restart", "unbound.service")
	c.resolves("192.0.2.2")
	f.a.publish("dns/cnames", record("192.0.2.5"))
	c.run("systemctl", "start", "dmfs.service")
	t.Logf("resolved after %v, by a node that was away", c.resolves("192.0.2.5").Round(time.Millisecond))
	f.b.delete("dns/cnames")
	c.resolves("")
	c.until("", "systemctl", "--failed", "--no-legend", "--plain", "list-units", "*dns*", "unbound*")
}

// resolves waits until the machine's own resolver gives web.mesh.test an address,
// or none.
func (v *vessel) resolves(address string) time.Duration {
	v.t.Helper()
	want := ""
	if address != "" {
		want = fmt.Sprintf("%-15s web.mesh.test\n", address)
	}
	return v.until(want, "sh", "-c", "getent hosts web.mesh.test; systemctl -q is-active unbound.service")
}
