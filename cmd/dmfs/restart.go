//go:build linux

package main

import (
	"context"
	"errors"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func restartCommand() *cli.Command {
	return &cli.Command{
		Name:  "restart",
		Usage: "execute the node anew under its live mount, after an upgrade",
		Description: `The node's mount stays: open files, watchers and services that use it do not
notice. What somebody is writing at that moment ends with an error. Needs Linux
6.9 and the right to send the node a signal.

Exit codes: 0 the node runs anew, 1 it does not (its log says why, and the old
one goes on), 2 wrong command line or configuration, 4 no node is mounted.`,
		Flags: append(mountFlags(), &cli.DurationFlag{
			Name: "timeout", Value: 10 * time.Second, Usage: "give up after this `DURATION`",
		}),
		Action: runRestart,
	}
}

func runRestart(c *cli.Context) error {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	m, err := findMount(c)
	if err != nil {
		return err
	}
	before := m.page
	if err := unix.Kill(before.PID, unix.SIGUSR2); err != nil {
		return fail(exitFailed, "restart it as the user that it runs as", "cannot signal the node (process %d): %w", before.PID, err)
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	err = m.until(ctx, func() (bool, error) {
		return m.refresh() == nil && m.page.Started.After(before.Started), nil
	}, eventsPage) // which a node touches when it starts
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(exitFailed, "look at the node's log", "the node at %s was not started anew within %v", m.dir, c.Duration("timeout"))
	}
	return err
}
