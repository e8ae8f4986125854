package main

import (
	_ "embed"
	"io"

	"github.com/urfave/cli/v2"
)

// documented is a configuration with every key in it, and what each is for.
//
//go:embed keys.toml
var documented string

func configCommand() *cli.Command {
	return &cli.Command{
		Name:        "config",
		Usage:       "explain and translate configurations",
		Subcommands: []*cli.Command{configKeysCommand(), configImportCommand()},
	}
}

func configKeysCommand() *cli.Command {
	return &cli.Command{
		Name:  "keys",
		Usage: "print every key of a configuration, its default, and what it is for",
		Description: `In TOML, as dmfs reads it. To look at the configuration that a new network would
have, run dmfs init --dry-run; to have yours checked, run dmfs doctor.

Exit codes: 0 done, 2 wrong command line.`,
		Action: func(c *cli.Context) error {
			if err := takes(c, 0, 0); err != nil {
				return err
			}
			_, err := io.WriteString(c.App.Writer, documented)
			return err
		},
	}
}
