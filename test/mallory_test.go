package test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dmfs/replica"
	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// mallory is a hostile member: a process of its own that attacks every node.
type mallory struct {
	name string // in its certificate
	id   string // its peer id
	key  trust.Key
	acts atomic.Int64 // how often it has done what its attack is about

	process *exec.Cmd
	leash   io.Closer // it attacks until this is closed
	said    chan struct{}
}

// besieged is a network of three nodes that a hostile member can attack.
func besieged() harness.Options {
	o := members()
	o.Files = harness.Names("config.json", "large", "huge")
	return o
}

// unleash starts a member that attacks m until the test ends or it is called back. Its certificate is issued by
// authority and lasts so long. In a benchmark it takes no processor time from the nodes that they have use for, as
// if it was on a machine of its own.
func unleash(t testing.TB, m *harness.Mesh, attack string, authority *trust.Signer, lasts time.Duration) *mallory {
	t.Helper()
	self, err := trust.GenerateSigner()
	if err != nil {
		t.Fatal(err)
	}
	bad := &mallory{name: "mallory-" + attack, key: self.Public().Key, said: make(chan struct{})}
	bad.id = replica.PeerID(bad.key)
	chain, err := authority.Certify(trust.CertificateSpec{
		Name: bad.name, Key: bad.key, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(lasts),
	}, trust.Chain{})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []string
	for _, n := range m.Nodes {
		nodes = append(nodes, n.Addresses()[0])
	}
	command := []string{harness.Program(t, "dmfs/test/hostile"),
		"-identity", m.Write(bad.id+".key", self.MarshalPEM()), "-certificate", m.Write(bad.id+".crt", chain.PEM()),
		"-network", trusttest.Signer(99).Public().Key.String(), "-names", "config.json,large,huge",
		"-nodes", strings.Join(nodes, ","), attack}
	if _, ok := t.(*testing.B); ok {
		command = append([]string{"nice", "-n", "19"}, command...)
	}
	bad.start(t, exec.Command(command[0], command[1:]...))
	return bad
}

func (bad *mallory) start(t testing.TB, process *exec.Cmd) {
	t.Helper()
	process.Stderr = os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	leash, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := process.StdoutPipe()
	if err == nil {
		err = process.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	bad.process, bad.leash = process, leash
	go bad.listen(lines)
	t.Cleanup(func() { bad.back(t) })
}

func (bad *mallory) listen(lines io.Reader) {
	defer close(bad.said)
	for scanner := bufio.NewScanner(lines); scanner.Scan(); {
		if acts, err := strconv.ParseInt(scanner.Text(), 10, 64); err == nil {
			bad.acts.Store(acts)
		}
	}
}

// back calls it back. It may be called again.
func (bad *mallory) back(t testing.TB) {
	t.Helper()
	if bad.process == nil {
		return
	}
	_ = bad.leash.Close() // it may have ended
	select {
	case <-bad.said:
	case <-time.After(patience):
		t.Error("the hostile member does not come back")
		_ = bad.process.Process.Kill()
		<-bad.said
	}
	if err := bad.process.Wait(); err != nil {
		t.Errorf("the hostile member: %v", err)
	}
	bad.process = nil
}

// goesOn waits until it has acted since it had acted so often, and returns how often it has.
func (bad *mallory) goesOn(t testing.TB, since int64) int64 {
	t.Helper()
	harness.Eventually(t, patience, func() error {
		if bad.acts.Load() > since {
			return nil
		}
		return errIdle
	})
	return bad.acts.Load()
}

// own is where it may publish, in a mount.
func (bad *mallory) own(n *harness.Node, name string) string {
	return filepath.Join(n.Mount, harness.In("telemetry", bad.key, name))
}
