//go:build !linux

package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v2"
)

// Where there is no mount of ours, dmfs still makes and checks what others mount:
// keys, certificates and signatures.

func commands() []*cli.Command {
	return []*cli.Command{
		generateCommand(), peerCommand(), certificateCommand(), fileCommand(),
		configCommand(), manCommand(), completionCommand(), versionCommand(),
	}
}

func fileCommands() []*cli.Command { return []*cli.Command{signCommand(), verifyCommand()} }

const helperName = "mount.dmfs"

func runHelper(_ context.Context, _ []string, _, stderr io.Writer) int {
	return printError(stderr, fail(exitFailed, "mount on Linux", "there is no mount on this system"))
}
