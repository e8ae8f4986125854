//go:build linux

package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the files in the mount with signer, signed time, end and size",
		Description: `Formats .dmfs/files.json of the mount, which also knows the names that were
deleted or are withheld. --json prints a list of objects with its fields: name,
signer, signed_at, size, digest, expires, origin, since, seq, state.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 4 no node
is mounted there.`,
		Flags: append(mountFlags(), jsonFlag()),
		Action: func(c *cli.Context) error {
			if err := takes(c, 0, 0); err != nil {
				return err
			}
			m, err := findMount(c)
			if err != nil {
				return err
			}
			files, err := m.list()
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return writeJSON(c, files)
			}
			return printFiles(c, files)
		},
	}
}

// list returns the files that the mount shows.
func (m *mounted) list() ([]listed, error) {
	files, err := m.files()
	shown := []listed{}
	for _, f := range files {
		if f.State == stateValid {
			shown = append(shown, f)
		}
	}
	return shown, err
}

func printFiles(c *cli.Context, files []listed) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SIGNED\tEXPIRES\tSIZE\tSIGNER\tNAME")
	for _, f := range files {
		expires := "never"
		if f.Expires != nil {
			expires = f.Expires.Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", f.SignedAt.Format(time.DateTime), expires, f.Size, short(f.Signer), f.Name)
	}
	return w.Flush()
}

// short keeps as much of a key as tells keys apart at a glance.
func short(key string) string {
	if len(key) > 12 {
		return key[:12] + "…"
	}
	return key
}
