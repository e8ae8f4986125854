package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/replica"
	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// fleet is three machines on one LAN. Each is a member of one network, whose
// names the admin signs, and runs dmfs.service as shipped.
type fleet struct {
	t       *testing.T
	a, b, c *vessel
	all     []*vessel
	admin   *trust.Signer // in /test/my.key of each
	network *trust.Signer
}

// vessel is a machine of a fleet. Its disk is root here, and stays when it is off.
type vessel struct {
	*machine
	name string
	root string
	id   *trust.Signer // its identity
	host *harness.Host
}

// fleetFiles are what the admin may sign; the agent may sign fleetAgents.
const (
	fleetFiles  = "dns/cnames ssh/ann deploy/target"
	fleetAgents = "wallpaper"
)

// agent is the signer of fleetAgents, in /test/agent.key of each machine.
func (f *fleet) agent() *trust.Signer { return trusttest.Signer(2) }

// follow does at the three machines what the README says below a heading.
func (f *fleet) follow(t *testing.T, heading string) {
	t.Helper()
	in := func(v *vessel, enter ...string) shell {
		return func(command string) (string, error) { return v.try(append(enter, command)...) }
	}
	follow(t, transcript(t, "README.md", heading), map[string]shell{
		"admin": in(f.a, "env", "-C", "/test", "sh", "-c"),
		"web":   in(f.c, "env", "-C", "/test", "sh", "-c"),
		"ann":   in(f.b, "env", "-C", "/root", "HOME=/root", "sh", "-c"),
		"bot":   in(f.b, "runuser", "-u", "agent", "--", "env", "-C", "/home/agent", "sh", "-c"),
	})
}

// newFleet boots three machines.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, admin: trusttest.Signer(1), network: trusttest.Signer(99)}
	lan := harness.NewLan(t, 3)
	for i, name := range []string{"admin", "db", "web"} {
		f.all = append(f.all, f.newVessel(name, trusttest.Signer(10+i), lan.Hosts[i]))
	}
	f.a, f.b, f.c = f.all[0], f.all[1], f.all[2]
	f.a.buildStatic("dmfs", "./cmd/dmfs")
	for _, v := range f.all {
		v.equip(f.a)
		f.configure(v)
		v.enable("dmfs.service")
		v.begin()
	}
	for _, v := range f.all {
		v.await()
	}
	return f
}

// newVessel makes a machine with a disk of its own, in front of the tree.
func (f *fleet) newVessel(name string, id *trust.Signer, host *harness.Host) *vessel {
	f.t.Helper()
	v := &vessel{machine: newMachine(f.t), name: name, id: id, host: host}
	v.root = filepath.Join(v.Dir, "disk", "root")
	dirs := []any{systemdTree(f.t)}
	for _, part := range []string{"root", "upper", "work"} {
		dir := filepath.Join(v.Dir, "disk", part)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			f.t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	if err := unix.Mount("overlay", v.root, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%[3]s,workdir=%[4]s", dirs...)); err != nil {
		f.t.Fatal(err)
	}
	v.unmount = func() error { return unix.Unmount(v.root, unix.MNT_DETACH) }
	v.options = []string{"-D", v.root, "--network-namespace-path=" + host.Network()}
	v.put("/etc/hostname", name+"\n", 0o644)
	return v
}

// configure makes v a member.
func (f *fleet) configure(v *vessel) {
	f.t.Helper()
	chain, err := f.network.Certify(trust.CertificateSpec{Name: v.name, Key: v.id.Public().Key,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}, trust.Chain{})
	if err != nil {
		f.t.Fatal(err)
	}
	v.put("/var/lib/dmfs/identity.key", string(v.id.MarshalPEM()), 0o600)
	v.put("/var/lib/dmfs/identity.crt", string(chain.PEM()), 0o644)
	v.put("/etc/dmfs/dmfs.toml", f.configuration(v), 0o644)
	v.write("my.key", string(f.admin.MarshalPEM()))
	v.write("agent.key", string(f.agent().MarshalPEM()))
}

// equip gives v the program that builder has built, and the shipped units.
func (v *vessel) equip(builder *vessel) {
	v.t.Helper()
	v.put("/usr/bin/dmfs", string(read(v.t, filepath.Join(builder.Dir, "dmfs"))), 0o755)
	for _, unit := range []string{"dmfs.service", "dmfs-mount.service"} {
		v.put("/etc/systemd/system/"+unit, string(read(v.t, filepath.Join(root, "nix/systemd", unit))), 0o644)
	}
}

// configuration is v's. At b users may propose what they have a key for.
func (f *fleet) configuration(v *vessel) string {
	var peers []string
	for _, peer := range f.all {
		peers = append(peers, fmt.Sprintf("%q", "/ip4/"+peer.host.Address+"/tcp/7946/p2p/"+replica.PeerID(peer.id.Public().Key)))
	}
	modes := ""
	if v == f.b {
		modes = "gid = \"users\"\ndir_mode = \"0775\"\nfile_mode = \"0664\"\n"
	}
	text := fmt.Sprintf("[cluster]\npush_pull_interval = \"1s\"\nbootstrap_peers = [ %s ]\n"+
		"[mount]\n%s[network]\nid = %q\nnamespaces = [ \"facts\", \"deployed\" ]\n[files]\n",
		strings.Join(peers, ", "), modes, f.network.Public().Key)
	for names, signer := range map[string]*trust.Signer{fleetFiles: f.admin, fleetAgents: f.agent()} {
		for name := range strings.FieldsSeq(names) {
			text += fmt.Sprintf("%q = [ %q ]\n", name, signer.Public().Key)
		}
	}
	return text
}

// put writes a file of the machine's disk, whether it is on or off.
func (v *vessel) put(path, text string, mode os.FileMode) {
	v.t.Helper()
	path = filepath.Join(v.root, path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// enable has units start at boot.
func (v *vessel) enable(units ...string) {
	v.t.Helper()
	if out, err := exec.Command("systemctl", append([]string{"--root=" + v.root, "enable"}, units...)...).CombinedOutput(); err != nil {
		v.t.Fatalf("%v: %s", err, out)
	}
}

// install puts a recipe's files where its module.nix says, and enables its units.
func (v *vessel) install(recipe string) {
	v.t.Helper()
	files, err := os.ReadDir(filepath.Join(root, "nix/recipes", recipe))
	if err != nil {
		v.t.Fatal(err)
	}
	var units []string
	for _, file := range files {
		text := string(read(v.t, filepath.Join(root, "nix/recipes", recipe, file.Name())))
		switch filepath.Ext(file.Name()) {
		case ".sh":
			v.put("/usr/lib/dmfs/"+file.Name(), text, 0o755)
		case ".path", ".service", ".timer":
			v.put("/etc/systemd/system/"+file.Name(), text, 0o644)
			if strings.Contains(text, "[Install]") {
				units = append(units, file.Name())
			}
		}
	}
	if out := v.run("sh", "-c", "cd /etc/systemd/system && systemd-analyze verify "+strings.Join(units, " ")); strings.Contains(out, "dmfs") {
		v.t.Errorf("systemd-analyze: %s", out)
	}
	v.run("systemctl", "daemon-reload")
	v.run(append([]string{"systemctl", "enable", "--now"}, units...)...)
}

// publish signs and copies a file at v.
func (v *vessel) publish(name, text string, flags ...string) {
	v.t.Helper()
	v.write("content", text)
	v.run(append([]string{"dmfs", "file", "update", "/test/content", "--name", name, "--key", "/test/my.key"}, flags...)...)
}

// delete deletes a file at v.
func (v *vessel) delete(name string) {
	v.t.Helper()
	v.run("dmfs", "file", "delete", name, "--key", "/test/my.key")
}

// until waits until a command prints something, and returns how long that took.
func (v *vessel) until(want string, command ...string) time.Duration {
	v.t.Helper()
	return harness.Eventually(v.t, patience, func() error {
		if got, err := v.try(command...); err != nil || got != want {
			return fmt.Errorf("%s prints %.300q, not %.300q: %w", strings.Join(command, " "), got, want, err)
		}
		return nil
	})
}

// settle waits until services do not run, and forgets that they failed.
func (v *vessel) settle(services ...string) {
	v.t.Helper()
	harness.Eventually(v.t, patience, func() error {
		out, err := v.try(append([]string{"systemctl", "show", "-P", "ActiveState"}, services...)...)
		if err != nil || strings.Contains(out, "ing") {
			return fmt.Errorf("%s: %s: %w", services, out, err)
		}
		return nil
	})
	_, _ = v.try(append([]string{"systemctl", "reset-failed"}, services...)...) //nolint:errcheck // none may have
}

// during has what fails from now on fail the subtest t.
func (f *fleet) during(t *testing.T) {
	for _, v := range f.all {
		v.during(t)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
