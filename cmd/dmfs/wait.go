//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"dmfs/trust"
)

func waitCommand() *cli.Command {
	return &cli.Command{
		Name:      "wait",
		Usage:     "wait until the other nodes have the file NAME as it is here",
		ArgsUsage: "NAME",
		Description: `A later version, or a deletion, that comes meanwhile is waited for in its place.
--for all means every node that is known, those that are away too. On a terminal
it shows how far it is, else it prints a line for each node. It does not poll, nor
need others: .dmfs/peers.json of the mount gets IN_ATTRIB when another node has
got more of what is here, and at most ten times a second.

Exit codes: 0 they have it, 1 some did not before --timeout, which are named,
2 wrong command line or configuration, 4 no node is mounted there, 6 this node
knows no file NAME.`,
		Flags: append(mountFlags(),
			&cli.StringFlag{Name: "for", Value: "all", Usage: "wait for so many `NODES`: a number, or all"},
			&cli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "give up after `TIME`"}),
		Action: waitFile,
	}
}

func waitFile(c *cli.Context) error {
	want, err := wanted(c.String("for"))
	if err != nil {
		return err
	}
	name, m, err := nameInMount(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	return m.await(ctx, name, want, newProgress(c.App.Writer))
}

// wanted is how many nodes shall have the file, -1 for all.
func wanted(text string) (int, error) {
	if text == "all" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usagef("for example --for 3, or --for all", "--for %s is no number of nodes", text)
	}
	return n, nil
}

// await waits until so many nodes have the newest version of a name.
func (m *mounted) await(ctx context.Context, name trust.Name, want int, show *progress) error {
	var have, lack []pagePeer
	err := m.until(ctx, func() (_ bool, err error) {
		have, lack, err = m.holders(name)
		if err == nil {
			show.update(have, lack)
		}
		return enough(have, lack, want), err
	}, eventsPage, peersPage)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		if has, lacks, err := m.holders(name); err == nil && !enough(has, lacks, want) {
			have, lack = has, lacks // with who is away by now
		}
		return errors.Join(show.end(), missing(name, have, lack, want))
	case err != nil:
		return err
	}
	return show.end()
}

func enough(have, lack []pagePeer, want int) bool {
	return len(lack) == 0 && want < 0 || want >= 0 && len(have) >= want
}

func missing(name trust.Name, have, lack []pagePeer, want int) error {
	if want > len(have)+len(lack) {
		return fail(exitFailed, "dmfs peers lists them", "%d nodes are known, not %d", len(have)+len(lack), want)
	}
	var who []string
	for _, p := range lack {
		who = append(who, p.who()+" "+p.says(time.Now()))
	}
	return fail(exitFailed, "dmfs peers says what is known of each", "%s is not on %d of %d nodes: %s",
		name, len(lack), len(have)+len(lack), strings.Join(who, "; "))
}

// holders are the nodes that have the newest version of a name, or its deletion,
// and those that do not or of which it is not known.
func (m *mounted) holders(name trust.Name) (have, lack []pagePeer, err error) {
	f, ok, err := m.file(name)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, fail(exitNoSuch, "", "%s has no version here", name)
	}
	list, err := m.peers()
	for _, p := range list.Peers {
		if p.Seq >= f.Seq {
			have = append(have, p)
		} else {
			lack = append(lack, p)
		}
	}
	return have, lack, err
}

// progress shows how many nodes have it: on a terminal in one line that
// changes, else a line for each node once.
type progress struct {
	w     io.Writer
	bar   bool
	shown map[string]bool
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, bar: ok && term.IsTerminal(int(f.Fd())), shown: map[string]bool{}}
}

func (p *progress) update(have, lack []pagePeer) {
	if p.bar {
		const width = 40
		all := len(have) + len(lack)
		full := width * len(have) / max(1, all)
		fmt.Fprintf(p.w, "\r[%s%s] %d of %d nodes", strings.Repeat("#", full), strings.Repeat(".", width-full), len(have), all)
		return
	}
	for _, peer := range have {
		if !p.shown[peer.ID] {
			p.shown[peer.ID] = true
			fmt.Fprintln(p.w, peer.who())
		}
	}
}

func (p *progress) end() error {
	if !p.bar {
		return nil
	}
	_, err := fmt.Fprintln(p.w)
	return err
}
