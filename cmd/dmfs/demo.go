//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "run a whole mesh on this machine, told step by step",
		Description: `Starts real nodes as processes of their own, each with a real mount, in a
temporary directory; signs, copies, reads, forges, stops and catches up, with
the commands that a user would type; then removes everything that it made.
With --keep the mesh stays up at the end, to try things, until Ctrl-C.

Exit codes: 0 all steps went well and nothing is left, 1 a step failed,
2 wrong command line, 7 something was left behind; the error names it.`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "nodes", Value: 3, Usage: "run `N` nodes, 2 to 16"},
			&cli.BoolFlag{Name: "keep", Usage: "leave the mesh running until Ctrl-C"},
		},
		Action: runDemo,
	}
}

func runDemo(c *cli.Context) (err error) {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	if n := c.Int("nodes"); n < 2 || n > 16 {
		return usagef("dmfs demo --nodes 3", "--nodes %d: 2 to 16 nodes make a demo", n)
	}
	stage, err := newStage(c.Context, c.App.Writer, c.Int("nodes"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.clear()) }()
	if err := stage.perform(); err != nil || !c.Bool("keep") {
		return err
	}
	stage.offer()
	<-c.Done()
	return nil
}

// act is one numbered step of the demo.
type act struct {
	title string
	play  func(*stage) error
}

var acts = []act{
	{"make a signing key", (*stage).makeKey},
	{"start the nodes", (*stage).startNodes},
	{"sign a file and copy it into one mount", (*stage).publish},
	{"update it", (*stage).update},
	{"try a forgery", (*stage).forge},
	{"switch a node off, update twice, switch it on again", (*stage).catchUp},
}

func (s *stage) perform() error {
	started := time.Now()
	s.say("\nEverything happens in a directory of its own:\n")
	s.command("cd", s.dir)
	for i, a := range acts {
		s.say("\n%d. %s\n\n", i+1, s.bold(a.title))
		if err := a.play(s); err != nil {
			if s.ctx.Err() != nil {
				err = errors.New("interrupted")
			}
			return fmt.Errorf("step %d, %s: %w", i+1, a.title, err)
		}
	}
	s.say("\nAll of it took %s.\n", round(time.Since(started)))
	return nil
}

func (s *stage) makeKey() error {
	out, err := s.dmfs("generate", "signing-key", "--private-key-path", "my.key", "--public-key-path", "my.pub")
	s.key = strings.TrimSpace(out)
	return err
}

func (s *stage) startNodes() error {
	if err := s.configure(); err != nil {
		return err
	}
	if err := s.shell("cat", s.nodes[1].name+".toml"); err != nil {
		return err
	}
	for _, n := range s.nodes {
		if err := s.start(n); err != nil {
			return err
		}
	}
	s.note("waiting until every node has met the others")
	for _, n := range s.nodes {
		if err := s.await(n, "its peers", func(p page) bool { return connected(p.Peers) >= len(s.nodes)-1 }); err != nil {
			return err
		}
	}
	return s.shell("findmnt", "--output", "TARGET,SOURCE,FSTYPE", s.nodes[0].name)
}

func (s *stage) publish() error {
	if err := s.edit(`{ "colour": "green" }`); err != nil {
		return err
	}
	if _, err := s.dmfs("file", "sign", "config.json", "--key", "my.key"); err != nil {
		return err
	}
	if err := s.shellThenSee(s.nodes[1:], "cp", "config.json", "config.json.sig", s.nodes[0].name+"/"); err != nil {
		return err
	}
	last := s.nodes[len(s.nodes)-1].name
	if err := s.shell("cat", last+"/config.json"); err != nil {
		return err
	}
	return s.shell("ls", "-l", last)
}

func (s *stage) update() error {
	if err := s.edit(`{ "colour": "blue" }`); err != nil {
		return err
	}
	last := s.nodes[len(s.nodes)-1]
	others := s.nodes[:len(s.nodes)-1]
	s.note("any node will do, and one command can do both")
	return s.dmfsThenSee(others, "file", "update", "config.json", "--key", "my.key", "--mount", last.name)
}

// forge lets somebody sign whom nobody trusts. What cp prints is the kernel's
// own text for what the mount answered.
func (s *stage) forge() error {
	want, target := s.current, s.nodes[0].name
	if _, err := s.dmfs("generate", "signing-key", "--private-key-path", "mallory.key", "--public-key-path", "mallory.pub"); err != nil {
		return err
	}
	if err := s.edit(`{ "colour": "MALLORY WAS HERE" }`); err != nil {
		return err
	}
	if _, err := s.dmfs("file", "sign", "config.json", "--key", "mallory.key"); err != nil {
		return err
	}
	if err := s.shell("cp", "config.json", "config.json.sig", target+"/"); err == nil {
		return errors.New("the forgery was accepted")
	}
	if _, err := s.dmfs("status", "config.json", "--mount", target); err != nil {
		return err
	}
	s.current = want
	for _, n := range s.nodes {
		if !s.shows(n) {
			return fmt.Errorf("%s no longer shows the last good version", n.name)
		}
	}
	return s.shell("cat", target+"/config.json")
}

func (s *stage) catchUp() error {
	away, first := s.nodes[len(s.nodes)-1], s.nodes[0]
	if err := s.stop(away); err != nil {
		return err
	}
	for _, colour := range []string{"yellow", "red"} {
		if err := s.edit(fmt.Sprintf(`{ "colour": %q }`, colour)); err != nil {
			return err
		}
		if _, err := s.dmfs("file", "update", "config.json", "--key", "my.key", "--mount", first.name); err != nil {
			return err
		}
	}
	if err := s.start(away); err != nil {
		return err
	}
	if err := s.see([]*actor{away}, "it was mounted"); err != nil {
		return err
	}
	return s.shell("cat", away.name+"/config.json")
}

// edit writes the next content of config.json, as a shell would.
func (s *stage) edit(content string) error {
	s.say("  $ echo '%s' > config.json\n", content)
	s.current = content + "\n"
	return os.WriteFile(filepath.Join(s.dir, "config.json"), []byte(s.current), 0o644)
}

// offer ends a demo that is kept: what one could try next.
func (s *stage) offer() {
	first, last := s.nodes[0].name, s.nodes[len(s.nodes)-1].name
	s.say("\nThe mesh stays up until Ctrl-C. In another terminal:\n\n")
	s.command("cd", s.dir)
	s.command("alias", "dmfs="+s.exe)
	s.say("  $ echo hello > config.json\n")
	s.command("dmfs", "file", "update", "config.json", "--key", "my.key", "--mount", first)
	s.command("cat", last+"/config.json")
	s.command("dmfs", "status", "--mount", last)
	s.command("dmfs", "file", "list", "--mount", last)
	s.command("getfattr", "--dump", last+"/config.json")
	s.command("rm", last+"/config.json")
}

// await waits until the status page of n satisfies done.
func (s *stage) await(n *actor, what string, done func(page) bool) error {
	m := &mounted{dir: filepath.Join(s.dir, n.name)}
	return s.poll(n.name+" waits for "+what, func() bool { return m.refresh() == nil && done(m.page) })
}

// poll asks done every millisecond for at most half a minute.
func (s *stage) poll(what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(s.ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		}
	}
	return nil
}
