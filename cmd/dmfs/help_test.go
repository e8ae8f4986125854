package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// TestHelpFitsIntoATerminal of 80 columns, whatever the command.
func TestHelpFitsIntoATerminal(t *testing.T) {
	var out bytes.Buffer
	app := newApp(&out, &out)
	check := func(of any) {
		out.Reset()
		printHelp(&out, "", of)
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 80 || strings.TrimRight(line, " ") != line {
				t.Errorf("too wide, or ends in spaces: %q", line)
			}
		}
	}
	check(app)
	var walk func([]*cli.Command)
	walk = func(commands []*cli.Command) {
		for _, c := range commands {
			check(c)
			walk(c.Subcommands)
		}
	}
	walk(app.Commands)
}
