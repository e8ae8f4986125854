package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Lan is some hosts on one subnet, each with a network of its own, plugged into
// switches that stand in a row. The namespaces have no name: they end with the
// processes that hold them, and those with the tests, however they end.
type Lan struct {
	Hosts []*Host

	t        testing.TB
	switches *Host
	bridges  int
	ports    int // of a NAT
}

// Host is a network namespace with one address.
type Host struct {
	Address string

	t      testing.TB
	holder *exec.Cmd
}

// NewLan makes a switch with ports[0] hosts, another one with ports[1] hosts...
func NewLan(t testing.TB, ports ...int) *Lan {
	t.Helper()
	NeedRoot(t)
	l := &Lan{t: t, switches: newHost(t, "")}
	for _, count := range ports {
		l.addSwitch()
		for range count {
			l.addHost()
		}
	}
	return l
}

// addSwitch adds a bridge and joins it with the one before by a trunk.
func (l *Lan) addSwitch() {
	l.t.Helper()
	bridge := fmt.Sprintf("br%d", l.bridges)
	l.switches.ip("link add %s type bridge", bridge)
	l.switches.ip("link set %s up", bridge)
	if l.bridges > 0 {
		l.switches.ip("link add left%d type veth peer name right%d", l.bridges, l.bridges)
		l.switches.ip("link set left%d up master br%d", l.bridges, l.bridges-1)
		l.switches.ip("link set right%d up master %s", l.bridges, bridge)
	}
	l.bridges++
}

// addHost plugs a new host into the last switch.
func (l *Lan) addHost() {
	l.t.Helper()
	i := len(l.Hosts) + 1
	h := newHost(l.t, fmt.Sprintf("10.77.0.%d", i))
	l.switches.ip("link add port%d type veth peer name eth0 netns %d", i, h.holder.Process.Pid)
	l.switches.ip("link set port%d up master br%d", i, l.bridges-1)
	h.ip("address add %s/24 dev eth0", h.Address)
	h.ip("link set lo up")
	h.ip("link set eth0 up")
	l.Hosts = append(l.Hosts, h)
}

// Part takes the last switch's trunk down: packets to its hosts vanish.
func (l *Lan) Part() {
	l.t.Helper()
	l.switches.ip("link set left%d down", l.bridges-1)
}

// Heal takes the trunk up again.
func (l *Lan) Heal() {
	l.t.Helper()
	l.switches.ip("link set left%d up", l.bridges-1)
}

// Unplug takes the host's own interface down: it has no route any more.
func (h *Host) Unplug() {
	h.t.Helper()
	h.ip("link set eth0 down")
}

// Plug takes the interface up again.
func (h *Host) Plug() {
	h.t.Helper()
	h.ip("link set eth0 up")
}

// Sent returns the bytes that have left the host, headers of Ethernet included.
func (h *Host) Sent() (bytes int64) {
	h.t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", h.holder.Process.Pid))
	if err != nil {
		h.t.Fatal(err)
	}
	_, counters, _ := strings.Cut(string(table), "eth0:")
	const sent = 8 // after eight of what was received
	fields := strings.Fields(counters)
	if len(fields) > sent {
		bytes, err = strconv.ParseInt(fields[sent], 10, 64)
	}
	if err != nil || len(fields) <= sent {
		h.t.Fatalf("no counters in %q: %v", table, err)
	}
	return bytes
}

func newHost(t testing.TB, address string) *Host {
	t.Helper()
	holder := exec.Command("sleep", "infinity")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := holder.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = holder.Wait() //nolint:errcheck // killed
	})
	return &Host{Address: address, t: t, holder: holder}
}

// Network is the path of the host's network namespace.
func (h *Host) Network() string { return fmt.Sprintf("/proc/%d/ns/net", h.holder.Process.Pid) }

// enter is the beginning of a command line that runs on the host. It changes
// nothing but the network: the host's mounts are ours. It may be nil.
func (h *Host) enter() []string {
	if h == nil {
		return nil
	}
	return []string{"nsenter", "--net=" + h.Network(), "--"}
}

func (h *Host) ip(format string, args ...any) {
	h.t.Helper()
	h.run("ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

// run runs a program in the host's network.
func (h *Host) run(program string, args ...string) {
	h.t.Helper()
	words := append(append(h.enter(), program), args...)
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v: %s", strings.Join(words, " "), err, out)
	}
}
