package test

import (
	"fmt"
	"strings"
	"testing"

	"dmfs/test/harness"
)

// noteSigning is the line of the note before what whoever has a key runs.
const noteSigning = "Then, once, whoever has a key signs the files anew; what has another signer is refused,"

// TestDataMesherNoteRunsAsWritten has a machine with what Data Mesher leaves change
// over as nix/data-mesher.md says, and a service that knows its path of the files.
func TestDataMesherNoteRunsAsWritten(t *testing.T) {
	m := bootMachine(t)
	m.buildStatic("dmfs", "./cmd/dmfs")
	m.sh("cp /test/dmfs /usr/bin/dmfs")
	for _, unit := range []string{"dmfs.service", "dmfs-mount.service"} {
		m.copyTo("/etc/systemd/system/"+unit, shippedUnit(t, unit))
	}
	for _, name := range []string{"dmfs", "data-mesher"} {
		m.copyTo("/usr/lib/tmpfiles.d/"+name+".conf", shippedUnit(t, name+".tmpfiles"))
	}
	m.pretendDataMesher()
	const note = "nix/data-mesher.md"
	shells := map[string]shell{"": func(command string) (string, error) { return m.try("env", "-C", "/root", "bash", "-c", command) }}
	follow(t, transcript(t, note, "## Step by step"), shells)
	follow(t, transcript(t, note, noteSigning), shells)
	m.legacyConsumerRuns()
	if out, err := m.try("cat", local+"/other"); err == nil {
		t.Errorf("a file of another signer came over: %q", out)
	}
	if got, want := m.run("sh", "-c", "dmfs status --json | grep peer_id"), m.run("dmfs", "peer", "id", "/root/identity.pub"); !strings.Contains(got, want) {
		t.Errorf("the peer id is %s, no more %s", got, want)
	}
}

// pretendDataMesher puts there what Data Mesher leaves, with keys in its formats.
func (m *machine) pretendDataMesher() {
	m.t.Helper()
	m.sh(`mkdir -p /etc/data-mesher && cd /root &&
		dmfs generate network --private-key-path network.key --public-key-path /etc/data-mesher/network.pub &&
		dmfs generate signing-key --private-key-path my.key --public-key-path my.pub &&
		dmfs generate signing-key --private-key-path others.key --public-key-path others.pub &&
		dmfs generate identity-key --private-key-path /var/lib/identity.key --public-key-path identity.pub &&
		mkdir -p /var/lib/data-mesher/files/1ru2QQ1eWV7y/dns && mv /var/lib/identity.key /var/lib/data-mesher/ &&
		ln -s 1ru2QQ1eWV7y /var/lib/data-mesher/files/home && cd /var/lib/data-mesher/files/home &&
		echo 'local-data: "web.mesh.test. A 192.0.2.7"' > dns/cnames && echo theirs > other &&
		(head -c 48 /dev/zero; printf data-mesher; head -c 117 /dev/zero) > /var/lib/data-mesher/identity.cert`)
	key := func(name string) string { return m.run("cat", "/root/"+name) }
	m.copyTo("/etc/data-mesher/dm.toml", fmt.Sprintf(`log_level = "info"
state_dir = "/var/lib/data-mesher"
[cluster]
port = 7946
bootstrap_peers = [ "/ip4/192.0.2.1/tcp/7946/p2p/12D3KooWG3spX9Q8qqjDrEJ3AqsNibdkbupAuwZXSSir8CPoNDMM" ]
identity_key = "/var/lib/data-mesher/identity.key"
identity_cert = "/var/lib/data-mesher/identity.cert"
[network]
id = "/etc/data-mesher/network.pub"
namespaces = [ "facts" ]
files = { "dns/cnames" = [ %q ], other = [ %q ] }
[http]
port = 7331
`, key("my.pub"), key("others.pub")))
	m.copyTo("/etc/systemd/system/data-mesher.service", "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "enable", "--now", "data-mesher.service")
}

// legacyConsumerRuns has a path unit as Clan's DNS service has it, on a directory of
// Data Mesher's path.
func (m *machine) legacyConsumerRuns() {
	m.t.Helper()
	m.copyTo("/etc/systemd/system/legacy.path", "[Unit]\nDefaultDependencies=no\nAfter=dmfs.service\nPartOf=dmfs.service dmfs-mount.service\n"+
		"[Path]\nPathChanged=/var/lib/data-mesher/files/home/dns\n[Install]\nWantedBy=dmfs.service\n")
	m.copyTo("/etc/systemd/system/legacy.service", "[Service]\nType=oneshot\nExecStart=/bin/cp /var/lib/data-mesher/files/home/dns/cnames /root/legacy\n")
	m.sh("systemctl daemon-reload && systemctl enable --now legacy.path")
	m.sh("echo '# new' > /root/new && dmfs file update /root/new --name dns/cnames --key /root/my.key")
	harness.Eventually(m.t, patience, func() error {
		if out, err := m.try("cat", "/root/legacy"); err != nil || out != "# new\n" {
			return fmt.Errorf("the service used %q: %w", out, err)
		}
		return nil
	})
}

// copyTo writes a file of the machine.
func (m *machine) copyTo(path, text string) {
	m.t.Helper()
	m.write("copy", text)
	m.sh("cp /test/copy '" + path + "'")
}
