package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
)

// machineFacts has every machine publish its own, and reads all of them at one:
// with cat, and from node_exporter.
func (f *fleet) machineFacts(t *testing.T) {
	f.c.run("systemctl", "start", "prometheus-node-exporter.service")
	f.b.sh("mkdir -p /nix/var/nix/profiles && ln -s system-42-link /nix/var/nix/profiles/system && ln -s /nix/store/abc-nixos-system-b /run/current-system")
	for _, v := range f.all {
		v.install("machine-facts")
	}
	for _, v := range f.all {
		text := v.run("cat", local+"/facts/by-name/"+v.name) + "\n"
		took := f.c.until(text, "cat", local+"/facts/by-name/"+v.name)
		t.Logf("%s read after %v: %q", v.name, took.Round(time.Millisecond), text)
		f.c.exports(fmt.Sprintf(`dmfs_machine_info{closure="[^"]*",kernel="%s",machine="%s"} 1`, v.run("uname", "-r"), v.name))
	}
	f.c.exports(`dmfs_machine_generation{machine="db"} 42`)
	f.c.exports(`dmfs_machine_info{closure="/nix/store/abc-nixos-system-b",kernel="[^"]*",machine="db"} 1`)

	f.follow(t, "### machine-facts")

	before := f.c.run("cat", local+"/facts/by-name/admin")
	f.a.put("/etc/systemd/system/dmfs-facts.timer.d/often.conf", "[Timer]\nOnActiveSec=1s\nOnUnitActiveSec=1s\nRandomizedDelaySec=0\nAccuracySec=100ms\n", 0o644)
	f.a.sh("systemctl daemon-reload && systemctl restart dmfs-facts.timer")
	harness.Eventually(t, patience, func() error {
		if now, err := f.c.try("cat", local+"/facts/by-name/admin"); err != nil || strings.TrimSpace(now) == before {
			return fmt.Errorf("the facts are still %q: %w", now, err)
		}
		return nil
	})
	f.a.run("systemctl", "stop", "dmfs-facts.timer")

	// What a machine says must not harm what others say; and it does not stay.
	f.b.write("lies", "generation=7\ngeneration=8\nuptime_seconds=9\"\nkernel=1\"} 1\\nevil 2\nevil 3\n")
	published := time.Now()
	f.b.run("dmfs", "file", "update", "/test/lies", "--namespace", "facts", "--key", "/var/lib/dmfs/identity.key", "--ttl", "15s")
	f.c.exports(`dmfs_machine_generation{machine="db"} 7`)
	t.Logf("what db publishes web exports after %v", time.Since(published).Round(time.Millisecond))
	if text := f.c.exports(`dmfs_machine_uptime_seconds{machine="admin"} [0-9.e+]+`); strings.Contains(text, "evil") {
		t.Errorf("node_exporter exports what a machine made up:\n%s", text)
	}
	harness.Eventually(t, patience, func() error {
		if text := f.c.exports(`dmfs_machine_info`); strings.Contains(text, `machine="db"`) {
			return fmt.Errorf("facts outlive their time:\n%s", text)
		}
		return nil
	})
}

// exports waits until node_exporter serves a line that matches, and returns all
// that it serves from text files.
func (v *vessel) exports(line string) (text string) {
	v.t.Helper()
	want := regexp.MustCompile(`(?m)^` + strings.ReplaceAll(line, "{", `\{`))
	harness.Eventually(v.t, patience, func() error {
		var err error
		text, err = v.try("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/9100 && printf 'GET /metrics?collect[]=textfile HTTP/1.0\r\n\r\n' >&3 && cat <&3`)
		if err != nil || !want.MatchString(text) || !strings.Contains(text, "node_textfile_scrape_error 0") {
			return fmt.Errorf("no %s in\n%s\n%w", want, text, err)
		}
		return nil
	})
	return text
}
