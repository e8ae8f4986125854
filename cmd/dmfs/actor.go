//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"dmfs/replica"
)

// actor is one node of a demo. Its mountpoint is the directory `name`.
type actor struct {
	name    string
	port    int
	process *exec.Cmd
	ended   chan error // of process
}

// configure writes a configuration for each node. Each is told the addresses of
// those before it.
func (s *stage) configure() error {
	var bootstrap []string
	for _, n := range s.nodes {
		port, err := freePort()
		if err != nil {
			return err
		}
		n.port = port
		if err := os.Mkdir(filepath.Join(s.dir, n.name), 0o755); err != nil {
			return err
		}
		id, err := s.makeIdentity(n)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.dir, n.name+".toml"), []byte(s.config(n, bootstrap)), 0o644); err != nil {
			return err
		}
		bootstrap = append(bootstrap, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d/p2p/%s", port, id))
	}
	return nil
}

// makeIdentity makes the key of n ahead of its first start, since the others'
// configuration names its peer id.
func (s *stage) makeIdentity(n *actor) (string, error) {
	state := filepath.Join(s.dir, n.name+".state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return "", err
	}
	id, err := identity(filepath.Join(state, "identity.key"))
	if err != nil {
		return "", err
	}
	return replica.PeerID(id.Public().Key), nil
}

func (s *stage) config(n *actor, bootstrap []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "mountpoint = %q\nstate_dir  = %q\nlog_level  = \"info\"\n\n[cluster]\n", n.name, n.name+".state")
	fmt.Fprintf(&b, "listen = [ \"/ip4/127.0.0.1/udp/%d/quic-v1\", \"/ip4/127.0.0.1/tcp/%d\" ]\n", n.port, n.port)
	if len(bootstrap) > 0 {
		fmt.Fprintf(&b, "bootstrap_peers = [\n  \"%s\",\n]\n", strings.Join(bootstrap, "\",\n  \""))
	}
	fmt.Fprintf(&b, "\n[files]\n\"config.json\" = [ %q ]\n", s.key)
	return b.String()
}

// freePort finds a port of the loopback address that is free for TCP and UDP.
func freePort() (int, error) {
	for range 100 {
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := tcp.Addr().(*net.TCPAddr).Port
		udp, err := net.ListenPacket("udp4", tcp.Addr().String())
		if err := tcp.Close(); err != nil {
			return 0, err
		}
		if err == nil {
			return port, udp.Close()
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

// start runs `dmfs mount` for n and waits until it is mounted.
func (s *stage) start(n *actor) error {
	s.say("  $ dmfs mount -c %s.toml 2>> %s.log &\n", n.name, n.name)
	started := time.Now()
	log, err := os.OpenFile(filepath.Join(s.dir, n.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.exe, "mount", "-c", n.name+".toml")
	cmd.Dir, cmd.Stderr, cmd.Env = s.dir, log, s.environment()
	// A group of its own: Ctrl-C at the terminal is for the demo, which ends
	// its nodes in order. When the demo is killed, the kernel ends them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.process, n.ended = cmd, make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(cmd, n.ended)
	m := &mounted{dir: filepath.Join(s.dir, n.name)}
	err = s.poll(n.name+" is being mounted", func() bool { return m.refresh() == nil || len(n.ended) > 0 })
	if err != nil || len(n.ended) > 0 { // a process that has ended shows no page
		return s.died(n, err)
	}
	s.note("mounted after %s", round(time.Since(started)))
	return nil
}

// died explains a node that did not come up, with the end of its log.
func (s *stage) died(n *actor, err error) error {
	if err == nil {
		n.process, err = nil, <-n.ended
	}
	text, _ := os.ReadFile(filepath.Join(s.dir, n.name+".log"))
	return fmt.Errorf("%s was not mounted: %w; its log ends: %s", n.name, err, bytes.TrimSpace(text[max(0, len(text)-800):]))
}

// stop ends n as a service manager would.
func (s *stage) stop(n *actor) error {
	s.command("kill", fmt.Sprint(n.process.Process.Pid))
	if err := s.terminate(n); err != nil {
		return err
	}
	s.note("%s is off, its mount is gone", n.name)
	return nil
}

// terminate ends the process of n, politely first.
func (s *stage) terminate(n *actor) error {
	if n.process == nil {
		return nil
	}
	process := n.process.Process
	n.process = nil
	_ = process.Signal(syscall.SIGTERM)
	select {
	case err := <-n.ended:
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
			return nil // before it could listen for the signal, so before it mounted
		}
		return err
	case <-time.After(10 * time.Second):
	}
	return errors.Join(fmt.Errorf("%s did not end within 10 s of SIGTERM and was killed", n.name), process.Kill(), <-n.ended)
}
