//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func watchCommand() *cli.Command {
	return &cli.Command{
		Name:      "watch",
		Usage:     "print changes, refusals and what members do, as it happens",
		ArgsUsage: "[NAME|PREFIX...]",
		Description: `With arguments, only what is about these names, or about names below them.

--json prints an object a line, the lines of .dmfs/events: seq, time, kind, name,
signer, version, origin, peer, member, errno, fault, text, hint; those that do not
apply are left out. kind is published, deleted, expired or withheld for a change
of a name; refused, for what was written here or sent; joined and away for a
member that this node got connected to or lost, which is usual among more than 64
nodes; certificate for a member whose certificate is soon over, once a day; fault
for one that misbehaves, or may, once an hour for each kind of fault.

Every change has a number on this node, seq; another event carries that of the
newest change before it. --since SEQ first prints what came after it, so who
keeps the last seq can go on later. No change is missed: of a name that changed
several times meanwhile it may be only the newest that is printed. Refusals and
member events after SEQ are repeated as far as the node remembers: its last 1000
events, or 256 KiB of them, since it was started. Those older than that, and those
that came while nobody watched a node that was then started anew, are not printed.

When the node is restarted or its mount is taken away, it waits and says so on
standard error, then goes on. Others can wait as it does: .dmfs/events gets
IN_ATTRIB at most ten times a second, so PathChanged= of systemd.path(5) works.

Exit codes: 0 ended by a signal or since nobody reads the output any more, 1
failed, 2 wrong command line or configuration, 4 no node is mounted there at the
beginning.`,
		Flags: append(mountFlags(), jsonFlag(),
			&cli.Uint64Flag{Name: "since", Usage: "first print what came after the change `SEQ`; 0 is all", DefaultText: "what comes from now on"},
			&cli.DurationFlag{Name: "wait", Usage: "wait up to `TIME` for the node to be mounted"}),
		Action: runWatch,
	}
}

func runWatch(c *cli.Context) error {
	ctx, stop := signal.NotifyContext(c.Context, unix.SIGPIPE) // writes say EPIPE then
	defer stop()
	m, err := awaitMount(c)
	if err != nil {
		return err
	}
	b, err := newBell(m.dir, eventsPage)
	if err != nil {
		return err
	}
	defer b.close()
	w := &watch{mount: m, names: c.Args().Slice(), json: c.Bool("json"), out: c.App.Writer, err: c.App.ErrWriter}
	if c.IsSet("since") {
		w.resume(c.Uint64("since"))
	}
	if err = w.follow(ctx, b); errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}

// A watch prints events.
type watch struct {
	mount *mounted
	names []string
	json  bool
	out   io.Writer
	err   io.Writer

	bookmark
	lost bool // there is no node, and it was said
}

// follow prints events until ctx ends.
func (w *watch) follow(ctx context.Context, b *bell) error {
	for ctx.Err() == nil {
		there, err := b.attach()
		if err != nil {
			return err
		}
		if !there {
			w.say(true, "no node is mounted at %s: waiting for one")
			b.await(ctx)
			continue
		}
		for same := true; same && ctx.Err() == nil; same = b.wait(ctx) {
			err := w.look()
			if codeOf(err) == exitNoMount && err != nil {
				break // the bell says when there is a node again
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// say says once that there is no node, and that there is one again.
func (w *watch) say(lost bool, text string) {
	if w.lost != lost {
		w.lost = lost
		fmt.Fprintf(w.err, "dmfs: "+text+"\n", w.mount.dir)
	}
}

// look prints what is news.
func (w *watch) look() error {
	page, err := w.mount.events()
	if err != nil {
		return err
	}
	w.say(false, "a node is mounted at %s again")
	news, err := w.news(page, w.mount.fileList)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, e := range news {
		switch {
		case !e.isAbout(w.names):
		case w.json:
			text.Write(jsonLine(e))
		default:
			fmt.Fprintln(&text, e.line())
		}
	}
	_, err = w.out.Write(text.Bytes())
	return err
}

// An eventPage is .dmfs/events.
type eventPage struct {
	run    time.Time // when the journal began
	from   uint64    // no later change is missing
	events []event
}
