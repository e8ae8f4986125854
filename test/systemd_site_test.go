package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/replica"
	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

const (
	local  = "/run/data-mesher" // where dmfs.service mounts
	remote = "/run/remote"      // the other node's mount, in the same machine
)

// lateName is one that only the other node knows from the start.
const lateName = "late/dir/file"

// siteNames are what the site's signer may sign.
var siteNames = []string{"config.json", "written.json", "watched/file", "dns/cnames", "www/index.html", "www/site.conf", "ssh/ann"}

// site is a machine with two nodes: dmfs.service as shipped, and remote.service.
type site struct {
	*machine
	signer *trust.Signer
	n      int // of the newest config.json
}

func newSite(t *testing.T, m *machine) *site {
	t.Helper()
	s := &site{machine: m, signer: trusttest.Signer(1)}
	for _, dir := range []string{"units", "log", "etc"} {
		if err := os.Mkdir(filepath.Join(m.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.buildStatic("dmfs", "./cmd/dmfs")
	s.buildStatic("reader", "./test/systemd_reader")
	s.write("my.key", string(s.signer.MarshalPEM()))
	s.configure()
	s.write("units/remote.service", "[Service]\nType=notify\nExecStart=/usr/bin/dmfs mount -c /etc/dmfs/remote.toml\n")
	s.writeWatch("changed:PathChanged:config.json")
	s.sh("cp /test/dmfs /usr/bin/dmfs && ln -s /usr/bin/dmfs /sbin/mount.dmfs && cp /test/reader /usr/bin/reader")
	s.sh("mkdir /etc/dmfs && cp /test/etc/* /etc/dmfs/ && cp /test/units/* /etc/systemd/system/")
	s.install()
	s.run("systemctl", "daemon-reload")
	s.run("systemctl", "start", "remote.service")
	return s
}

// install puts there what is shipped, but the mount unit: path units would start it.
func (s *site) install() {
	s.t.Helper()
	shipped, err := filepath.Glob(filepath.Join(root, "nix/systemd/*"))
	if err != nil || len(shipped) == 0 {
		s.t.Fatalf("no units: %v", err)
	}
	for _, path := range shipped {
		name, kind, _ := strings.Cut(filepath.Base(path), ".")
		to := "/etc/systemd/system/" + filepath.Base(path)
		switch kind {
		case "mount":
			to = "/etc/dmfs/" + filepath.Base(path)
		case "sysusers", "tmpfiles":
			to = "/usr/lib/" + kind + ".d/" + name + ".conf"
		}
		s.copyTo(to, shippedUnit(s.t, filepath.Base(path)))
	}
}

// configure writes the two configurations and keys into /test/etc.
func (s *site) configure() {
	s.t.Helper()
	var ids [2]string
	for i, name := range []string{"local", "remote"} {
		id := trusttest.Signer(10 + i)
		s.write("etc/"+name+".key", string(id.MarshalPEM()))
		ids[i] = replica.PeerID(id.Public().Key)
	}
	s.write("etc/dmfs.toml", s.config("", "local.key", 7946, 7947, ids[1]))
	s.write("etc/remote.toml", s.config(`mountpoint = "`+remote+`"
state_dir = "/var/lib/remote"
`, "remote.key", 7947, 7946, ids[0])+s.entry(lateName))
}

func (s *site) config(head, key string, port, other int, id string) string {
	var files strings.Builder
	for _, name := range siteNames {
		files.WriteString(s.entry(name))
	}
	return fmt.Sprintf(`%s[cluster]
identity_key = "/etc/dmfs/%s"
push_pull_interval = "1s"
listen = [ "/ip4/127.0.0.1/tcp/%d" ]
bootstrap_peers = [ "/ip4/127.0.0.1/tcp/%d/p2p/%s" ]
[files]
%s`, head, key, port, other, id, &files)
}

// entry is a line of [files], the last table of a configuration.
func (s *site) entry(name string) string {
	return fmt.Sprintf("%q = [ %q ]\n", name, s.signer.Public().Key)
}

// publish signs and copies a file at a node's mount.
func (s *site) publish(mount, name, text string, flags ...string) {
	s.t.Helper()
	s.write("content", text)
	s.run(append([]string{"dmfs", "file", "update", "/test/content", "--name", name, "--key", "/test/my.key", "--mount", mount}, flags...)...)
}

// publishNext publishes the next config.json at the other node.
func (s *site) publishNext() {
	s.t.Helper()
	s.n++
	s.publish(remote, "config.json", fmt.Sprintf(`{"N":%d}`, s.n))
}

// remotely publishes a file at the other node, or deletes it there when the text
// is empty.
func (s *site) remotely(name, text string) {
	s.t.Helper()
	if text == "" {
		s.run("dmfs", "file", "delete", name, "--key", "/test/my.key", "--mount", remote)
	} else {
		s.publish(remote, name, text)
	}
}

// shows waits for a text at dmfs.service's mount.
func (s *site) shows(name, text string) {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		if got, err := s.try("cat", local+"/"+name); err != nil || got != text {
			return fmt.Errorf("%s is %q, not %q: %w", name, got, text, err)
		}
		return nil
	})
}

func (s *site) showsNewest() {
	s.t.Helper()
	s.shows("config.json", fmt.Sprintf(`{"N":%d}`, s.n))
}

func (s *site) vanishes(name string) {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		_, err := s.try("test", "-d", local+"/.dmfs", "-a", "!", "-e", local+"/"+name)
		return err
	})
}
