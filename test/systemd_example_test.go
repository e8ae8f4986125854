package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"dmfs/test/harness"
)

// watchersComeBack has the example units watch while the mount is replaced in
// every way in which that happens, and uses what arrived while nobody watched.
func (s *site) watchersComeBack(t *testing.T) {
	const use = "ReadWritePaths=/test/log\nExecStart=/bin/cp " + local + "/config.json /test/log/example\n"
	s.dropIn("example.service", use+"ExecStart=/bin/sh -c 'test ! -p /test/log/hold || read line < /test/log/hold'")
	s.dropIn("example-again.service", use)
	s.run("systemctl", "enable", "--now", "example.path", "example.service")
	for _, way := range []struct {
		name    string
		replace func()
	}{
		{"nothing", func() {}},
		{"a change while the service runs", func() {
			s.awaitUnit("example.path", "waiting")
			s.run("mkfifo", "/test/log/hold")
			s.publishNext()
			s.exampleUsesNewest("a change")
			s.publishNext()
			s.showsNewest()
			s.sh("echo > /test/log/hold; rm /test/log/hold")
		}},
		{"stop and start", func() {
			s.run("systemctl", "stop", "example.path")
			s.publishNext()
			s.showsNewest()
			s.run("systemctl", "stop", "dmfs.service")
			s.run("systemctl", "start", "dmfs.service")
		}},
		{"another look", func() {
			s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml && printf '[mount]\nfile_mode = \"0440\"\n' >> /etc/dmfs/dmfs.toml")
			s.run("systemctl", "restart", "dmfs.service")
		}},
		{"the look as before", func() { s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml && systemctl restart dmfs.service") }},
		{"umount", func() { s.startAnew(t, "umount") }},
		{"no descriptor kept", func() { s.dropIn("dmfs.service", "FileDescriptorStoreMax=0") }}, // as on older kernels
		{"restart", func() { s.startAnew(t, "restart") }},
		{"kill", func() { s.startAnew(t, "kill") }},
	} {
		way.replace()
		s.exampleUsesNewest(way.name)
		s.answers("No jobs running.\n", func() (string, error) { return s.try("systemctl", "list-jobs") })
		s.awaitUnit("example.path", "waiting")
		s.publishNext()
		s.exampleUsesNewest(way.name + ", and a change")
	}
	s.sh("rm -r /etc/systemd/system/*.service.d && systemctl daemon-reload && systemctl restart dmfs.service")
}

// dropIn adds lines to a unit's section Service.
func (s *site) dropIn(unit, lines string) {
	s.t.Helper()
	s.write("drop-in", "[Service]\n"+lines+"\n")
	dir := "/etc/systemd/system/" + unit + ".d"
	s.sh("mkdir " + dir + " && cp /test/drop-in " + dir + "/test.conf && systemctl daemon-reload")
}

func (s *site) exampleUsesNewest(after string) {
	s.t.Helper()
	want := fmt.Sprintf(`{"N":%d}`, s.n)
	harness.Eventually(s.t, patience, func() error {
		if got, err := os.ReadFile(filepath.Join(s.Dir, "log", "example")); err != nil || string(got) != want {
			return fmt.Errorf("after %s example.service uses %q, not %q: %w", after, got, want, err)
		}
		return nil
	})
}
