package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

const (
	local  = "/run/data-mesher" // where dmfs.service mounts
	remote = "/run/remote"      // the other node's mount, in the same machine
)

// TestSystemd runs the shipped units under a real systemd, with another node
// from which all changes come.
func TestSystemd(t *testing.T) {
	m := bootMachine(t)
	s := newSite(t, m)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"units are valid", s.unitsAreValid},
		{"ready when mounted, and for everybody", s.readyWhenMounted},
		{"path units fire for remote changes", s.pathUnitsFire},
		{"reload", s.reload},
		{"exec", func(t *testing.T) { s.survives(t, "exec") }},
		{"restart", func(t *testing.T) { s.survives(t, "restart") }},
		{"kill", func(t *testing.T) { s.survives(t, "kill") }},
		{"upgrade", s.upgrade},
		{"a start that fails lets nobody wait", s.failingStart},
		{"another look is mounted anew", s.mountedAnew},
		{"stop unmounts", s.stopUnmounts},
		{"mount helper", s.mountHelper},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			m.during(t)
			step.run(t)
		})
		if !ok {
			return
		}
	}
}

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
	shipped, err := filepath.Glob(filepath.Join(root, "nix/systemd/*"))
	if err != nil || len(shipped) == 0 {
		t.Fatalf("no units: %v", err)
	}
	for _, unit := range shipped {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		s.write("unit", string(text))
		to := "/etc/systemd/system/"
		if filepath.Ext(unit) == ".mount" { // instead of dmfs.service: path units would start it
			to = "/etc/dmfs/"
		}
		s.run("cp", "/test/unit", to+filepath.Base(unit))
	}
	s.run("systemctl", "daemon-reload")
	s.run("systemctl", "start", "remote.service")
	return s
}

// buildStatic builds a program that runs whatever C library the tree has.
func (s *site) buildStatic(name, pkg string) {
	s.t.Helper()
	cmd := exec.Command("go", "build", "-o", filepath.Join(s.Dir, name), pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
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
`, "remote.key", 7947, 7946, ids[0]))
}

func (s *site) config(head, key string, port, other int, id string) string {
	var files strings.Builder
	for _, name := range []string{"config.json", "written.json", "watched/file"} {
		fmt.Fprintf(&files, "%q = [ %q ]\n", name, s.signer.Public().Key)
	}
	return fmt.Sprintf(`%s[cluster]
identity_key = "/etc/dmfs/%s"
push_pull_interval = "1s"
listen = [ "/ip4/127.0.0.1/tcp/%d" ]
bootstrap_peers = [ "/ip4/127.0.0.1/tcp/%d/p2p/%s" ]
[files]
%s`, head, key, port, other, id, &files)
}

// writeWatch writes a path unit and its service from NAME:DIRECTIVE:PATH. The
// service of one that asks for a state stays up, since the state does, too.
func (s *site) writeWatch(kind string) {
	s.t.Helper()
	part := strings.Split(kind, ":")
	s.write("units/"+part[0]+".path", fmt.Sprintf("[Path]\n%s=%s/%s\n", part[1], local, part[2]))
	stay := part[1] == "PathExists" || part[1] == "DirectoryNotEmpty"
	s.write("units/"+part[0]+".service", fmt.Sprintf("[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\n"+
		"RemainAfterExit=%v\nExecStart=/bin/sh -c 'echo >> /test/log/%s'\n", stay, part[0]))
}

// fired is how often a path unit started its service.
func (s *site) fired(name string) int {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "log", name))
	return len(text)
}

// publish signs and copies a file at a node's mount.
func (s *site) publish(mount, name, text string) {
	s.t.Helper()
	s.write("content", text)
	s.run("dmfs", "file", "update", "/test/content", "--name", name, "--key", "/test/my.key", "--mount", mount)
}

// publishNext publishes the next config.json at the other node.
func (s *site) publishNext() {
	s.t.Helper()
	s.n++
	s.publish(remote, "config.json", fmt.Sprintf(`{"N":%d}`, s.n))
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

func (s *site) unitsAreValid(t *testing.T) {
	out := s.sh(`cd /etc/systemd/system && systemd-analyze verify dmfs.service dmfs-mount.service example.path example.service '/etc/dmfs/run-data\x2dmesher.mount'`)
	for line := range strings.Lines(out) {
		if strings.Contains(line, "dmfs") || strings.Contains(line, "example") || strings.Contains(line, "mesher") {
			t.Errorf("systemd-analyze: %s", line)
		}
	}
}

// readyWhenMounted: when `systemctl start` returns, the mount answers; outside
// of the service's sandbox, and inside of others'.
func (s *site) readyWhenMounted(t *testing.T) {
	s.publishNext()
	s.run("systemctl", "start", "dmfs.service")
	s.run("grep", " "+local+" .* fuse.dmfs ", "/proc/self/mountinfo")
	s.run("cat", local+"/.dmfs/status.json")
	s.showsNewest()
	for _, sandbox := range [][]string{
		{"ProtectSystem=strict", "PrivateTmp=yes", "ProtectHome=yes"},
		{"DynamicUser=yes", "ProtectSystem=strict", "PrivateDevices=yes"},
	} {
		command := []string{"systemd-run", "--quiet", "--wait", "--pipe"}
		for _, p := range sandbox {
			command = append(command, "-p", p)
		}
		if out := s.run(append(command, "cat", local+"/config.json")...); out != `{"N":1}` {
			t.Errorf("a service with %v reads %q", sandbox, out)
		}
	}
	if s.run("systemctl", "is-active", "dmfs-mount.service") != "active" {
		t.Error("dmfs-mount.service is not there to unmount")
	}
}

// pathUnitsFire for a file and a directory that another node changes.
func (s *site) pathUnitsFire(t *testing.T) {
	moves := []string{"changed-file:PathChanged:watched/file", "modified-file:PathModified:watched/file",
		"changed-dir:PathChanged:watched", "modified-dir:PathModified:watched"}
	states := []string{"exists:PathExists:watched/file", "not-empty:DirectoryNotEmpty:watched"}
	for _, kind := range append(moves, states...) {
		s.writeWatch(kind)
	}
	s.sh("cp /test/units/* /etc/systemd/system/ && systemctl daemon-reload")
	for _, kind := range append(moves, states...) {
		s.run("systemctl", "start", name(kind)+".path")
	}
	create := func() { s.publish(remote, "watched/file", "created\n") }
	s.fires(t, append(moves, states...), create)
	s.fires(t, moves, func() { s.publish(remote, "watched/file", "updated\n") })
	s.fires(t, moves, func() {
		s.write("file.sig", string(s.tombstone("watched/file")))
		s.run("cp", "/test/file.sig", remote+"/watched/file.sig")
	})
	for _, kind := range states {
		s.run("systemctl", "stop", name(kind)+".service")
	}
	s.fires(t, append(moves, states...), create)
	for _, kind := range append(moves, states...) {
		s.run("systemctl", "stop", name(kind)+".path")
	}
}

func name(kind string) string {
	name, _, _ := strings.Cut(kind, ":")
	return name
}

// fires waits until every path unit watches, makes a change, and waits for each
// to start its service.
func (s *site) fires(t *testing.T, kinds []string, change func()) {
	t.Helper()
	before := map[string]int{}
	for _, kind := range kinds {
		s.awaitUnit(name(kind)+".path", "waiting")
		before[kind] = s.fired(name(kind))
	}
	change()
	for _, kind := range kinds {
		took := harness.Eventually(t, patience, func() error {
			if s.fired(name(kind)) <= before[kind] {
				return fmt.Errorf("%s did not fire", kind)
			}
			return nil
		})
		t.Logf("%s fired after %v", kind, took.Round(time.Millisecond))
	}
}

func (s *site) awaitUnit(unit, state string) {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		if got, err := s.try("systemctl", "show", "-P", "SubState", unit); strings.TrimSpace(got) != state {
			return fmt.Errorf("%s is %s, not %s: %w", unit, got, state, err)
		}
		return nil
	})
}

func (s *site) tombstone(text string) []byte {
	s.t.Helper()
	signature, err := s.signer.Sign(trust.DigestOf(nil), trust.Statement{
		Name: trusttest.Name(s.t, text), Version: trust.VersionAt(time.Now()), Deleted: true,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return signature
}

// reload takes a new configuration under the mount and refuses a broken one.
func (s *site) reload(t *testing.T) {
	s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml")
	s.sh(`sed 's/"config.json" =/"extra.json" =/p; s/"extra.json" =/"config.json" =/' /etc/dmfs/good.toml > /etc/dmfs/dmfs.toml`)
	s.run("systemctl", "reload", "dmfs.service")
	harness.Eventually(t, patience, func() error {
		_, err := s.try("dmfs", "file", "update", "/test/content", "--name", "extra.json", "--key", "/test/my.key", "--mount", local)
		return err
	})
	s.sh("echo nonsense > /etc/dmfs/dmfs.toml")
	s.run("systemctl", "reload", "dmfs.service")
	harness.Eventually(t, patience, func() error {
		out, err := s.try("journalctl", "-u", "dmfs.service", "--no-pager")
		if !strings.Contains(out, "the old one stays") {
			return fmt.Errorf("no word of the broken configuration: %w", err)
		}
		return nil
	})
	s.publish(local, "extra.json", "still\n")
	s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml")
	s.run("systemctl", "reload", "dmfs.service")
}

// rounds is how often each kind of restart is tried.
func rounds() int {
	if testing.Short() {
		return 5
	}
	return 50
}

// survives restarts the node in one way, again and again, while somebody reads,
// watches and writes.
func (s *site) survives(t *testing.T, kind string) {
	s.awaitPath("changed.path")
	s.startReader()
	stop := s.startWriter()
	for range rounds() {
		s.startAnew(t, kind)
		before := s.fired("changed")
		s.awaitUnit("changed.path", "waiting")
		s.publishNext()
		s.showsNewest()
		harness.Eventually(t, patience, func() error {
			if s.fired("changed") <= before {
				return fmt.Errorf("PathChanged= does not fire after %s", kind)
			}
			return nil
		})
	}
	acknowledged, failed := stop()
	s.checkWritten(t, acknowledged)
	r := s.stopReader()
	t.Logf("%d × %s: %d reads, %d errors, longest pause %v; %d writes acknowledged, %d failed; %d events",
		rounds(), kind, r.Reads, r.Errors, r.Longest.Round(time.Millisecond), acknowledged, failed, r.Moved)
	if r.Errors > 0 {
		t.Errorf("%d of %d reads failed, the first with: %s", r.Errors, r.Reads, r.Error)
	}
	if r.Moved < int64(rounds()) {
		t.Errorf("inotify told of %d of at least %d changes", r.Moved, rounds())
	}
	if acknowledged == 0 || r.Reads < 10*rounds() {
		t.Error("nobody read or wrote meanwhile")
	}
}

func (s *site) awaitPath(unit string) {
	s.t.Helper()
	s.run("systemctl", "start", unit)
	s.awaitUnit(unit, "waiting")
}

// startAnew ends the node's process, or its program, and waits for the next.
func (s *site) startAnew(t *testing.T, kind string) {
	t.Helper()
	switch kind {
	case "exec":
		s.run("dmfs", "restart", "--mount", local)
	case "restart":
		s.run("systemctl", "restart", "dmfs.service")
	case "kill":
		pid := s.run("systemctl", "show", "-P", "MainPID", "dmfs.service")
		s.run("kill", "-9", pid)
		harness.Eventually(t, patience, func() error {
			state, err := s.try("systemctl", "show", "-P", "MainPID", "-P", "SubState", "dmfs.service")
			if strings.Contains(state, pid+"\n") || !strings.Contains(state, "running") {
				return fmt.Errorf("the service is %q: %w", state, err)
			}
			return nil
		})
	}
}

func (s *site) startReader() {
	s.t.Helper()
	s.sh("rm -f /test/reader.out /test/reader.err")
	s.run("systemd-run", "--quiet", "--unit=reader", "-p", "StandardOutput=file:/test/reader.out",
		"-p", "StandardError=file:/test/reader.err", "/usr/bin/reader", local+"/config.json")
	harness.Eventually(s.t, patience, func() error {
		text, err := os.ReadFile(filepath.Join(s.Dir, "reader.err"))
		if string(text) != "reading\n" {
			return fmt.Errorf("the reader says %q: %w", text, err)
		}
		return nil
	})
}

// reading is what the reader prints.
type reading struct {
	Reads, Errors int
	Error         string
	Longest       time.Duration `json:"longest_ns"`
	Moved         int64
}

func (s *site) stopReader() (r reading) {
	s.t.Helper()
	s.run("systemctl", "stop", "reader.service")
	text, err := os.ReadFile(filepath.Join(s.Dir, "reader.out"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		s.t.Fatalf("the reader printed %q: %v", text, err)
	}
	return r
}

// startWriter writes numbers at dmfs.service's own mount until it is stopped,
// which tells the last one that was acknowledged, and how many were not.
func (s *site) startWriter() (stop func() (acknowledged, failed int)) {
	quit := make(chan struct{})
	var group sync.WaitGroup
	var last, failed int
	group.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-quit:
				return
			default:
			}
			path := filepath.Join(s.Dir, "written")
			if os.WriteFile(path, []byte(strconv.Itoa(n)), 0o600) != nil {
				return
			}
			_, err := s.try("dmfs", "file", "update", "/test/written", "--name", "written.json", "--key", "/test/my.key", "--mount", local)
			if err == nil {
				last = n
			} else {
				failed++
			}
		}
	})
	return func() (int, int) {
		close(quit)
		group.Wait()
		return last, failed
	}
}

// checkWritten: what was acknowledged is there, or something later.
func (s *site) checkWritten(t *testing.T, acknowledged int) {
	t.Helper()
	text := s.run("cat", local+"/written.json")
	if n, err := strconv.Atoi(text); err != nil || n < acknowledged {
		t.Errorf("write %d was acknowledged, and %q is there", acknowledged, text)
	}
	harness.Eventually(t, patience, func() error {
		if got, err := s.try("cat", remote+"/written.json"); err != nil || got != text {
			return fmt.Errorf("the other node has %q, not %q: %w", got, text, err)
		}
		return nil
	})
}

// upgrade replaces the program under the running node.
func (s *site) upgrade(t *testing.T) {
	s.startReader()
	pid := s.run("systemctl", "show", "-P", "MainPID", "dmfs.service")
	old := s.run("stat", "-Lc", "%i", "/proc/"+pid+"/exe")
	s.sh("cp /test/dmfs /usr/bin/dmfs.new && mv /usr/bin/dmfs.new /usr/bin/dmfs")
	s.run("dmfs", "restart", "--mount", local)
	if after := s.run("systemctl", "show", "-P", "MainPID", "dmfs.service"); after != pid {
		t.Errorf("process %s became %s", pid, after)
	}
	if s.run("stat", "-Lc", "%i", "/proc/"+pid+"/exe") == old {
		t.Error("the old program still runs")
	}
	s.sh("head -c 100000 /test/dmfs > /usr/bin/dmfs.new && chmod +x /usr/bin/dmfs.new && mv /usr/bin/dmfs.new /usr/bin/dmfs")
	s.run("kill", "-USR2", pid)
	harness.Eventually(t, patience, func() error {
		out, err := s.try("journalctl", "-u", "dmfs.service", "--no-pager")
		if !strings.Contains(out, "not started anew") {
			return fmt.Errorf("no word of the broken program: %w", err)
		}
		return nil
	})
	s.sh("cp /test/dmfs /usr/bin/dmfs.new && mv /usr/bin/dmfs.new /usr/bin/dmfs")
	s.publishNext()
	s.showsNewest()
	s.run("systemctl", "restart", "dmfs.service")
	if r := s.stopReader(); r.Errors > 0 {
		t.Errorf("%d of %d reads failed, the first with: %s", r.Errors, r.Reads, r.Error)
	}
}

// failingStart restarts into a broken configuration: the mount must go, for a
// mount that nobody serves holds everybody who looks at it.
func (s *site) failingStart(t *testing.T) {
	s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml && echo nonsense > /etc/dmfs/dmfs.toml")
	if out, err := s.try("systemctl", "restart", "dmfs.service"); err == nil {
		t.Errorf("it starts with a broken configuration: %s", out)
	}
	s.awaitUnit("dmfs.service", "failed")
	s.isUnmounted()
	s.run("ls", local)
	s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml && systemctl start dmfs.service")
	s.showsNewest()
	s.run("systemctl", "restart", "dmfs.service")
	s.showsNewest()
}

// mountedAnew: the kernel has cached how the live mount looks, so it cannot go on
// when [mount] changes; neither may a program be executed under it.
func (s *site) mountedAnew(t *testing.T) {
	s.sh("cp /etc/dmfs/dmfs.toml /etc/dmfs/good.toml && printf '[mount]\nfile_mode = \"0400\"\n' >> /etc/dmfs/dmfs.toml")
	if out, err := s.try("dmfs", "restart", "--mount", local, "--timeout", "1s"); err == nil {
		t.Errorf("executed anew under a mount that looks otherwise: %s", out)
	}
	if mode := s.run("stat", "-c", "%a", local+"/config.json"); mode != "444" {
		t.Errorf("the live mount has mode %s", mode)
	}
	s.run("systemctl", "restart", "dmfs.service")
	if mode := s.run("stat", "-c", "%a", local+"/config.json"); mode != "400" {
		t.Errorf("mounted anew with mode %s", mode)
	}
	s.run("systemctl", "restart", "dmfs.service") // and this one goes on
	s.publishNext()
	s.showsNewest()
	s.sh("mv /etc/dmfs/good.toml /etc/dmfs/dmfs.toml && systemctl restart dmfs.service")
	s.showsNewest()
}

func (s *site) isUnmounted() {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		if out, err := s.try("grep", " "+local+" ", "/proc/self/mountinfo"); err == nil {
			return fmt.Errorf("still mounted: %s", out)
		}
		return nil
	})
}

func (s *site) stopUnmounts(t *testing.T) {
	s.run("systemctl", "enable", "--now", "example.path")
	s.run("systemctl", "stop", "dmfs.service")
	s.isUnmounted()
	s.awaitUnit("dmfs-mount.service", "dead")
	s.awaitUnit("example.path", "dead")
	if out := s.run("systemctl", "show", "-P", "Result", "dmfs.service"); out != "success" {
		t.Errorf("the service ended with %s", out)
	}
	s.run("systemctl", "start", "dmfs.service")
	s.awaitUnit("example.path", "waiting")
	s.showsNewest()
	s.run("systemctl", "stop", "dmfs.service")
	s.isUnmounted()
}

// mountHelper mounts by hand, by /etc/fstab and by a mount unit.
func (s *site) mountHelper(t *testing.T) {
	const fstab = "/etc/dmfs/dmfs.toml " + local + " dmfs noauto,nofail,_netdev,x-systemd.mount-timeout=20s,umask=077 0 0"
	unit := `run-data\x2dmesher.mount`
	for _, way := range []struct{ name, prepare, mount, unmount string }{
		{"mount -t", "true", "mount -t dmfs /etc/dmfs/dmfs.toml " + local + " -o ro,allow_other", "umount " + local},
		{"mount unit", "mv '/etc/dmfs/" + unit + "' /etc/systemd/system/ && systemctl daemon-reload", "systemctl start '" + unit + "'", "systemctl stop '" + unit + "'"},
		{"fstab", "rm '/etc/systemd/system/" + unit + "' && echo '" + fstab + "' >> /etc/fstab", "mount " + local, "umount " + local},
		{"fstab by systemd", "systemctl daemon-reload", "systemctl start '" + unit + "'", "systemctl stop '" + unit + "'"},
	} {
		s.sh(way.prepare)
		s.sh(way.mount)
		if got := s.run("cat", local+"/config.json"); got != fmt.Sprintf(`{"N":%d}`, s.n) {
			t.Errorf("%s: it shows %q", way.name, got)
		}
		s.sh(way.unmount)
		s.isUnmounted()
		s.run("flock", "-w", "20", "/var/lib/dmfs/index.db", "true")
	}
}
