// Command dmfs mounts a replicated set of small signed files and works with
// their keys and signatures.
//
// It is the only package that knows all the others: it reads the
// configuration, opens the index, mounts it with package fs, connects it with
// package replica, and prints what went wrong. Everything that a script may
// rely on (exit codes, JSON fields) is written in the help of its command.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

func main() {
	// The first signal ends the context; stop then restores the default
	// action, so that a second signal ends the process at once. Signals come
	// in bursts, as when a parent with many threads is killed, so a second one
	// must be later to count.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second/2, stop) })
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if filepath.Base(args[0]) == helperName {
		return runHelper(ctx, args[1:], stdout, stderr)
	}
	app := newApp(stdout, stderr)
	if err := app.RunContext(ctx, permute(app.Commands, args)); err != nil {
		return printError(stderr, err)
	}
	return exitOK
}

// printError is the only place that prints errors. It returns the exit code.
func printError(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "dmfs: %s\n", oneLine(err.Error()))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", oneLine(hint))
	}
	return codeOf(err)
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:            "dmfs",
		Usage:           "a file system over a replicated set of small signed files",
		Description:     manual,
		Version:         buildVersion().Version,
		HideHelpCommand: true, // permute knows `dmfs help`
		Writer:          stdout,
		ErrWriter:       stderr,
		Commands:        commands(),
		Action:          refuseArguments,
		OnUsageError:    usageError,
		ExitErrHandler:  func(*cli.Context, error) {}, // run prints and main exits
	}
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

// prepare gives c and every command below it our way to refuse a command line.
func prepare(c *cli.Command) {
	c.OnUsageError = usageError
	c.HideHelpCommand = true
	if c.Action == nil {
		c.Action = refuseArguments
	}
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
}

// refuseArguments serves a command that only groups others: alone it shows
// its help, with a word that is no command it fails.
func refuseArguments(c *cli.Context) error {
	word := c.Args().First()
	if word == "" {
		return cli.ShowSubcommandHelp(c)
	}
	return usagef("run: "+helpFor(c), "unknown command %q", word)
}

func usageError(c *cli.Context, err error, _ bool) error {
	return usagef("run: "+helpFor(c), "%v", err)
}

// helpFor is the command line that explains the command of c.
func helpFor(c *cli.Context) string {
	if c.Command == nil || c.Command.HelpName == "" {
		return c.App.HelpName + " --help"
	}
	return c.Command.HelpName + " --help"
}

const manual = `Copy a file and its detached signature into the mount on one machine; every
other machine verifies it and shows it. A valid signature with a later time
wins, everywhere; there is no leader. To see it work: dmfs demo

A first session:

  dmfs generate signing-key --private-key-path my.key --public-key-path my.pub
  # put the printed key into [files] of the configuration of every machine
  dmfs mount -c dmfs.toml /run/data-mesher
  dmfs file sign config.json --key my.key
  cp config.json config.json.sig /run/data-mesher/

Every error is one line "dmfs: ...", often followed by "hint: ..." with the
thing to do next.

` + exitManual
