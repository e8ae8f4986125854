package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/index"
	"dmfs/trust"
)

// Node is one node of a mesh: a process, when it runs.
type Node struct {
	Name  string        // a, b, c...; in a command line of Mesh.Shell its mount is $A, $B...
	Mount string        // where its files are
	State string        // its state_dir
	ID    string        // its peer id
	Key   *trust.Signer // its identity key

	mesh    *Mesh
	host    *Host // nil: this machine
	address string
	port    int
	config  string
	log     string

	process *exec.Cmd     // nil: not running
	ended   chan struct{} // closed when process has ended
	ready   *readiness
}

// multiaddrs are the addresses that n listens on.
func (n *Node) multiaddrs() (addrs []string) {
	form := map[string]string{"quic": "/ip4/%s/udp/%d/quic-v1", "tcp": "/ip4/%s/tcp/%d"}
	for _, transport := range n.mesh.options.Transports {
		addrs = append(addrs, fmt.Sprintf(form[transport], n.address, n.port))
	}
	return addrs
}

// Running says whether the node was started, and neither stopped nor killed.
func (n *Node) Running() bool { return n.process != nil }

// Start starts the node and returns when it says that it is mounted.
func (n *Node) Start() {
	n.mesh.t.Helper()
	n.Begin()
	n.Await()
}

// Begin starts the node and does not wait.
func (n *Node) Begin() {
	t := n.mesh.t
	t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if n.ready, err = listenReady(filepath.Join(n.mesh.Dir, n.Name+".sock")); err != nil {
		t.Fatal(err)
	}
	command := append(n.host.enter(), filepath.Join(Bin(t), "dmfs"), "mount", "-c", n.config)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.mesh.Dir, log, log
	cmd.Env = append(environment(), "NOTIFY_SOCKET="+n.ready.path)
	// A group of its own, to see whether anything stays; and the kernel ends it
	// if these tests do not live to do so.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.process, n.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		_ = cmd.Wait() //nolint:errcheck // ProcessState has it
	}(n.ended)
}

// environment is ours, without what would redirect a node.
func environment() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "DMFS_CONFIG=") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			env = append(env, v)
		}
	}
	return append(env, "LC_ALL=C")
}

// Await waits until a node that was begun says that it is mounted.
func (n *Node) Await() {
	n.mesh.t.Helper()
	select {
	case <-n.ready.said:
	case <-n.ended:
		n.mesh.t.Fatalf("node %s ended instead of mounting: %v", n.Name, n.process.ProcessState)
	case <-time.After(patience):
		n.mesh.t.Fatalf("node %s is not mounted after %v", n.Name, patience)
	}
}

// Stop sends SIGTERM and holds the node to it: it ends with code 0 and leaves
// no mount and no process, and its index passes the check.
func (n *Node) Stop() {
	t := n.mesh.t
	t.Helper()
	pid := n.process.Process.Pid
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("node %s: %v", n.Name, err)
	}
	select {
	case <-n.ended:
	case <-time.After(patience):
		t.Errorf("node %s still runs %v after SIGTERM", n.Name, patience)
		_ = n.process.Process.Kill() //nolint:errcheck // it may just have ended
		<-n.ended
	}
	if state := n.forget(); !state.Success() {
		t.Errorf("node %s: %v on SIGTERM", n.Name, state)
	}
	if err := syscall.Kill(-pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("node %s left a process: %v", n.Name, err)
		_ = syscall.Kill(-pid, syscall.SIGKILL) //nolint:errcheck // reported already
	}
	if mounted(n.Mount) {
		t.Errorf("node %s left its mount", n.Name)
	}
	n.Check()
}

// Kill sends SIGKILL and waits for the end of the process, which must not wait
// for an answer to a request of its own. Its mount stays, dead.
func (n *Node) Kill() {
	t := n.mesh.t
	t.Helper()
	if err := n.process.Process.Kill(); err != nil {
		t.Fatalf("node %s: %v", n.Name, err)
	}
	select {
	case <-n.ended:
	case <-time.After(Within(10 * time.Second)):
		t.Errorf("node %s does not end on SIGKILL: %s", n.Name, n.stuck())
		_ = unix.Unmount(n.Mount, unix.MNT_FORCE) //nolint:errcheck // fails when in use, after it has ended the connection
		<-n.ended
	}
	if state := n.forget(); state.ExitCode() != -1 {
		t.Errorf("node %s had ended by itself: %v", n.Name, state)
	}
}

// stuck says where in the kernel the threads of a node are.
func (n *Node) stuck() string {
	stacks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stack", n.Pid()))
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, path := range stacks {
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "\n%s %v\n%s", path, err, text)
	}
	return b.String()
}

// forget returns how the process ended.
func (n *Node) forget() *os.ProcessState {
	state := n.process.ProcessState
	n.process = nil
	n.ready.close()
	return state
}

// Pid is the process id of a running node.
func (n *Node) Pid() int { return n.process.Process.Pid }

// Addresses are where the node is reached, as bootstrap_peers takes them.
func (n *Node) Addresses() (addrs []string) {
	for _, addr := range n.multiaddrs() {
		addrs = append(addrs, addr+"/p2p/"+n.ID)
	}
	return addrs
}

// Index opens the index of a node that does not run; the caller closes it.
func (n *Node) Index() *index.Index {
	n.mesh.t.Helper()
	ix, err := index.Open(filepath.Join(n.State, "index.db"), n.mesh.policy)
	if err != nil {
		n.mesh.t.Fatalf("node %s: %v", n.Name, err)
	}
	return ix
}

// Check has the index of a node that does not run checked.
func (n *Node) Check() {
	n.mesh.t.Helper()
	ix := n.Index()
	if err := errors.Join(ix.Check(), ix.Close()); err != nil {
		n.mesh.t.Errorf("node %s: %v", n.Name, err)
	}
}

// Fill puts records into the index of a node that does not run.
func (n *Node) Fill(records ...trust.Record) {
	n.mesh.t.Helper()
	ix := n.Index()
	_, err := ix.Apply("test", records...)
	if err := errors.Join(err, ix.Close()); err != nil {
		n.mesh.t.Fatal(err)
	}
}

// Forget makes a node that does not run know no file.
func (n *Node) Forget() {
	n.mesh.t.Helper()
	if err := os.Remove(filepath.Join(n.State, "index.db")); err != nil && !os.IsNotExist(err) {
		n.mesh.t.Fatal(err)
	}
}

// clear takes away the mount of a node that does not run and looks through its
// log for what must never be in it.
func (n *Node) clear() error {
	if text, err := os.ReadFile(n.log); err == nil {
		for line := range strings.Lines(string(text)) {
			n.mesh.dislike(n, line)
		}
	}
	if !mounted(n.Mount) {
		return nil
	}
	return detach(n.Mount)
}

// givenPorts are the ports that this test run has given to nodes.
var givenPorts sync.Map

// freePort finds a port that is free for TCP and UDP, outside the range from
// which the kernel takes ports for everybody else.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		number := 10000 + rand.IntN(20000)
		if _, given := givenPorts.LoadOrStore(number, true); given {
			continue // to a node that may not listen yet
		}
		address := fmt.Sprintf("127.0.0.1:%d", number)
		tcp, err := net.Listen("tcp4", address)
		if err != nil {
			continue
		}
		udp, err := net.ListenPacket("udp4", address)
		if closed := tcp.Close(); err != nil || closed != nil {
			continue
		}
		if err := udp.Close(); err == nil {
			return udp.LocalAddr().(*net.UDPAddr).Port
		}
	}
	t.Fatal("no free port on loopback")
	return 0
}
