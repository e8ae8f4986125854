//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// stage is where a demo happens: a temporary directory with all nodes in it.
// Every command runs there, so that what is printed can be typed.
type stage struct {
	ctx     context.Context
	out     io.Writer
	tty     bool
	exe     string // this program
	dir     string
	key     string // the signing key, as [files] takes it
	current string // the content that every node should show
	nodes   []*actor
}

func newStage(ctx context.Context, out io.Writer, nodes int) (*stage, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "dmfs-demo-")
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as the mount table has it
		return nil, err
	}
	s := &stage{ctx: ctx, out: out, exe: exe, dir: dir}
	if f, ok := out.(*os.File); ok {
		s.tty = term.IsTerminal(int(f.Fd()))
	}
	for i := range nodes {
		s.nodes = append(s.nodes, &actor{name: fmt.Sprintf("node%d", i+1)})
	}
	return s, nil
}

// environment is that of the demo without what would redirect a node.
func (s *stage) environment() []string {
	env := os.Environ()
	kept := env[:0]
	for _, v := range env {
		if !strings.HasPrefix(v, "DMFS_CONFIG=") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// shell runs one command in the demo's directory and shows all that it prints.
func (s *stage) shell(name string, args ...string) error {
	s.command(name, args...)
	_, err := s.run(name, name, args...)
	return err
}

// dmfs is shell for this program.
func (s *stage) dmfs(args ...string) (string, error) {
	s.command("dmfs", args...)
	return s.run("dmfs", s.exe, args...)
}

func (s *stage) run(name, path string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.ctx, path, args...)
	cmd.Dir, cmd.Env = s.dir, append(s.environment(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	s.quote(string(out))
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return string(out), err
}

// shellThenSee runs a command and measures until nodes show its effect.
func (s *stage) shellThenSee(nodes []*actor, name string, args ...string) error {
	if err := s.shell(name, args...); err != nil {
		return err
	}
	return s.see(nodes, name+" returned")
}

func (s *stage) dmfsThenSee(nodes []*actor, args ...string) error {
	if _, err := s.dmfs(args...); err != nil {
		return err
	}
	return s.see(nodes, "the command returned")
}

// see waits until all of nodes show the current content.
func (s *stage) see(nodes []*actor, event string) error {
	started := time.Now()
	for _, n := range nodes {
		if err := s.poll(n.name+" waits for the content", func() bool { return s.shows(n) }); err != nil {
			return err
		}
		s.note("%s shows it %s after %s", n.name, round(time.Since(started)), event)
	}
	return nil
}

func (s *stage) shows(n *actor) bool {
	content, err := os.ReadFile(filepath.Join(s.dir, n.name, "config.json"))
	return err == nil && string(content) == s.current
}

// clear ends and removes all that the demo made, and makes sure of it.
func (s *stage) clear() error {
	var errs []error
	for _, n := range s.nodes {
		errs = append(errs, s.terminate(n))
	}
	for _, n := range s.nodes {
		if s.isMounted(n) {
			errs = append(errs, fmt.Errorf("%s was still mounted", n.name), detach(filepath.Join(s.dir, n.name)))
		}
	}
	for _, n := range s.nodes {
		if s.isMounted(n) { // removing the directory would reach into the mount
			return fail(exitNotClean, "umount -l "+filepath.Join(s.dir, n.name), "left behind: %s", s.dir)
		}
	}
	errs = append(errs, os.RemoveAll(s.dir))
	if err := errors.Join(errs...); err != nil {
		return fail(exitNotClean, "", "cleaning up: %w", err)
	}
	s.say("\nNothing is left: no process, no mount, no file.\n")
	return nil
}

// isMounted looks into the kernel's table, since looking at a dead mount fails
// or hangs.
func (s *stage) isMounted(n *actor) bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	path := strings.ReplaceAll(filepath.Join(s.dir, n.name), " ", `\040`)
	return err == nil && bytes.Contains(table, []byte(" "+path+" "))
}

// detach is the last resort for a mount whose node is gone. Forced, it also ends
// the requests that the node took and did not answer.
func detach(dir string) error {
	if unix.Unmount(dir, unix.MNT_DETACH|unix.MNT_FORCE) == nil {
		return nil
	}
	return exec.Command("fusermount3", "-u", "-z", dir).Run()
}

func (s *stage) say(format string, args ...any) {
	fmt.Fprintf(s.out, format, args...)
}

// command shows a command as one would type it.
func (s *stage) command(name string, args ...string) {
	s.say("  %s\n", s.bold("$ "+strings.Join(append([]string{name}, args...), " ")))
}

// note shows what the demo saw.
func (s *stage) note(format string, args ...any) { s.say("  # "+format+"\n", args...) }

// quote shows what a command printed.
func (s *stage) quote(text string) {
	for line := range strings.Lines(text) {
		s.say("    %s\n", strings.TrimRight(line, "\n"))
	}
}

func (s *stage) bold(text string) string {
	if !s.tty {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// round keeps three digits of a duration: more would be noise.
func round(d time.Duration) time.Duration {
	unit := time.Microsecond
	for unit < d/1000 {
		unit *= 10
	}
	return d.Round(unit)
}
