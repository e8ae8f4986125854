package test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
)

// agentHas has a key that signs one name.
func (f *fleet) agentHas(t *testing.T) {
	f.b.sh("useradd --create-home --gid users agent && cp /test/agent.key /home/agent/ && chown agent /home/agent/agent.key")
	f.c.startWallpaper()
	f.a.publish("ssh/ann", "the admin's\n")
	f.b.put("/home/agent/cat.png", "\x89PNG\r\n\x1a\n and more", 0o644)
	f.c.write("cat.png", "\x89PNG\r\n\x1a\n and more")
	f.follow(t, "### agent")
	picture := func(size int) string {
		bytes := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, size-8)...)
		_, _ = rand.Read(bytes[8:]) //nolint:errcheck // never fails
		return string(bytes)
	}
	var last string
	for _, size := range []int{1 << 10, 10 << 20} {
		last = picture(size)
		started := time.Now()
		f.b.proposes(t, "wallpaper", last, 0)
		f.c.until(last, "cat", "/home/bob/shown")
		t.Logf("a picture of %d bytes was shown after %v", size, time.Since(started).Round(time.Millisecond))
	}
	f.b.proposes(t, "wallpaper", picture(10<<20+1), 1)

	f.a.publish("deploy/target", "the admin's\n")
	f.b.until("the admin's\n", "cat", local+"/deploy/target")
	own := harness.In("facts", f.agent().Public().Key, "")
	others := harness.In("facts", f.b.id.Public().Key, "")
	for _, name := range []string{"deploy/target", "dns/cnames", "ssh/ann", "policy.toml", "wallpaper2",
		own, others} {
		f.b.proposes(t, name, "the agent's\n", 3)
	}
	if _, err := f.b.try("runuser", "-u", "agent", "--", "dmfs", "file", "delete", "deploy/target", "--key", "/home/agent/agent.key", "--mount", local); err == nil {
		t.Error("the agent deletes what is not its own")
	}
	f.b.sh("! grep -rF \"the agent's\" --exclude-dir=.dmfs " + local)
	f.b.until("the admin's\n", "cat", local+"/deploy/target")

	f.b.proposes(t, "wallpaper", "no picture\n", 0)
	f.c.until("failed\n", "sh", "-c", f.c.asBob("systemctl --user show -P ActiveState dmfs-wallpaper.service"))
	f.c.until(last, "cat", "/home/bob/shown")
}

// proposes has the agent publish, with the one command that it has.
func (v *vessel) proposes(t *testing.T, name, text string, want int) {
	t.Helper()
	v.put("/home/agent/picture", text, 0o644)
	out := v.sh(fmt.Sprintf("runuser -u agent -- dmfs file update /home/agent/picture --name %s --key /home/agent/agent.key --mount %s 2>&1; echo exit code $?", name, local))
	if !strings.HasSuffix(out, fmt.Sprintf("exit code %d", want)) {
		t.Errorf("%s is proposed with another exit code than %d: %s", name, want, out)
	}
}

// startWallpaper logs bob in, for whom the recipe is installed.
func (v *vessel) startWallpaper() {
	v.t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "nix/recipes/agent/dmfs-*"))
	if err != nil {
		v.t.Fatal(err)
	}
	for _, file := range files {
		to, mode := "/etc/systemd/user/", os.FileMode(0o644)
		if filepath.Ext(file) == ".sh" {
			to, mode = "/usr/lib/dmfs/", 0o755
		}
		v.put(to+filepath.Base(file), string(read(v.t, file)), mode)
	}
	v.run("systemctl", "--global", "enable", "dmfs-wallpaper.path", "dmfs-wallpaper.timer")
	v.run("useradd", "--create-home", "bob")
	v.put("/home/bob/.config/dmfs/set-wallpaper", "#!/bin/sh\ncp \"$1\" ~/.shown && mv ~/.shown ~/shown\n", 0o755)
	v.run("chown", "-R", "bob:", "/home/bob")
	// Where there is no logind to do so.
	v.put("/etc/systemd/system/user@.service.d/runtime.conf", "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n", 0o644)
	v.sh("systemctl daemon-reload && systemctl start user@$(id -u bob).service")
	v.until("waiting\n", "sh", "-c", v.asBob("systemctl --user show -P SubState dmfs-wallpaper.path"))
}

func (v *vessel) asBob(command string) string {
	return "runuser -u bob -- env XDG_RUNTIME_DIR=/run/user/$(id -u bob) " + command
}
