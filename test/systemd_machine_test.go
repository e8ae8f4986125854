package test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/test/harness"
)

// machine is a container with a real systemd as its first process, booted from
// a tree that no test changes. /test in it is Dir here.
type machine struct {
	Dir string

	t       *testing.T
	options []string     // of systemd-nspawn
	unmount func() error // its disk; may be nil
	process *exec.Cmd
	ended   chan struct{}
	leader  string // its first process, as seen from here; empty: it is off
}

// bootMachine boots and returns when systemd has started everything.
func bootMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t)
	m.options = []string{"-D", systemdTree(t), "--volatile=overlay", "--private-network"}
	m.begin()
	m.await()
	return m
}

// newMachine makes one that is off, for a test that can have it.
func newMachine(t *testing.T) *machine {
	t.Helper()
	harness.NeedMount(t)
	harness.NeedRoot(t)
	harness.Need(t, "systemd-nspawn")
	harness.Need(t, "debootstrap")
	dir, err := os.MkdirTemp("", "dmfs-machine-")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{Dir: dir, t: t}
	t.Cleanup(m.off)
	return m
}

// begin switches the machine on and does not wait.
func (m *machine) begin() {
	m.t.Helper()
	console, err := os.OpenFile(filepath.Join(m.Dir, "console"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer console.Close()
	m.process = exec.Command("sh", append([]string{"-c", enterCgroups, "sh", strings.Join(m.cgroups(), " "), "systemd-nspawn", "-b",
		"--machine=" + filepath.Base(m.Dir), "--bind=" + m.Dir + ":/test", "--bind=/dev/fuse", "--capability=all",
		"--property=DeviceAllow=/dev/fuse rw", "--register=no", "--keep-unit", "--console=pipe"}, m.options...)...)
	m.process.Stdout, m.process.Stderr = console, console
	m.process.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := m.process.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = process.Wait() //nolint:errcheck // killed or powered off
	}(m.process, m.ended)
}

// await returns when systemd has started everything.
func (m *machine) await() {
	m.t.Helper()
	harness.Eventually(m.t, patience, m.findLeader)
	harness.Eventually(m.t, patience, func() error {
		out, err := m.try("systemctl", "is-system-running")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("the machine is %q: %w", state, err)
		}
		return nil
	})
}

// findLeader finds the only child of systemd-nspawn.
func (m *machine) findLeader() error {
	pid := m.process.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	children := strings.Fields(string(text))
	if err != nil || len(children) != 1 {
		return fmt.Errorf("systemd-nspawn has the children %q: %w", children, err)
	}
	if name, err := os.ReadFile("/proc/" + children[0] + "/comm"); err != nil || string(name) != "systemd\n" {
		return fmt.Errorf("the machine's first process is %q: %w", name, err)
	}
	m.leader = children[0]
	return nil
}

// try runs a command in the machine, as seen by everything there that is not
// sandboxed, and returns what it printed.
func (m *machine) try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	enter := []string{"-t", m.leader, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", "env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, command...)...)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("no end after %v: %w", patience, err)
	}
	return out.String(), err
}

// run is try for what has to succeed.
func (m *machine) run(command ...string) string {
	m.t.Helper()
	out, err := m.try(command...)
	if err != nil {
		m.t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
	}
	return strings.TrimSpace(out)
}

// sh runs a line of sh that has to succeed.
func (m *machine) sh(line string) string {
	m.t.Helper()
	return m.run("sh", "-c", line)
}

// write writes a file of /test.
func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// buildStatic builds a program that runs whatever C library the tree has.
func (m *machine) buildStatic(name, pkg string) {
	m.t.Helper()
	cmd := exec.Command("go", "build", "-o", filepath.Join(m.Dir, name), pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%v\n%s", err, out)
	}
}

// during has what fails from now on fail the subtest t.
func (m *machine) during(t *testing.T) {
	outer := m.t
	m.t = t
	t.Cleanup(func() { m.t = outer })
}

// off powers the machine off and removes what is left.
func (m *machine) off() {
	if m.leader != "" {
		if panics, _ := m.try("sh", "-c", "journalctl -b --no-pager | grep 'panic in '"); strings.Contains(panics, "panic in ") {
			m.t.Errorf("a node panicked:\n%s", panics)
		}
	}
	if m.t.Failed() && m.leader != "" {
		journal, _ := m.try("journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-n", "150")
		console, _ := os.ReadFile(filepath.Join(m.Dir, "console"))
		m.t.Logf("console:\n%s\njournal:\n%s", console[max(0, len(console)-3000):], journal)
	}
	m.powerOff()
	if m.unmount != nil {
		if err := m.unmount(); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.RemoveAll(m.Dir); err != nil {
		m.t.Error(err)
	}
}

// powerOff returns when the machine is off.
func (m *machine) powerOff() {
	if m.process == nil {
		return
	}
	if m.leader != "" {
		_, _ = m.try("systemctl", "poweroff") //nolint:errcheck // it may be off
	}
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.t.Errorf("the machine does not power off within %v", patience)
		_ = m.process.Process.Kill() //nolint:errcheck // it may just have ended
		<-m.ended
	}
	m.process, m.leader = nil, ""
	harness.Eventually(m.t, patience, m.removeCgroups)
}
