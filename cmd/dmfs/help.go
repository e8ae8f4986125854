package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

func init() { cli.HelpPrinter = printHelp }

// printHelp prints the help of a program or a command. The library's own is as wide as its longest line.
func printHelp(w io.Writer, _ string, of any) {
	switch of := of.(type) {
	case *cli.App:
		help{w}.print(of.HelpName, of.Usage, "COMMAND [options] [arguments]", of.Description, of.VisibleCommands(), of.VisibleFlags())
	case *cli.Command:
		rest := "[options] " + of.ArgsUsage
		if len(of.Subcommands) > 0 {
			rest = "COMMAND [options] [arguments]"
		}
		help{w}.print(of.HelpName, of.Usage, rest, of.Description, of.VisibleCommands(), of.VisibleFlags())
	}
}

// help is written, in at most 80 columns.
type help struct{ w io.Writer }

func (h help) print(name, usage, rest, description string, commands []*cli.Command, flags []cli.Flag) {
	h.head("NAME")
	fold(h.w, "  ", "%s - %s", name, usage)
	h.head("\nUSAGE")
	fold(h.w, "  ", "%s %s", name, rest)
	if description != "" {
		h.head("\nDESCRIPTION")
		h.text(description)
	}
	if len(commands) > 0 {
		h.head("\nCOMMANDS")
		h.commands(commands)
	}
	h.head("\nOPTIONS")
	h.options(flags)
}

func (h help) head(text string) { fmt.Fprintf(h.w, "%s:\n", text) }

func (h help) text(text string) {
	for i, p := range paragraphs(text) {
		if i > 0 {
			fmt.Fprintln(h.w)
		}
		if !p.verbatim {
			fold(h.w, "  ", "%s", p.text)
			continue
		}
		for line := range strings.Lines(p.text + "\n") {
			fmt.Fprint(h.w, "  ", line)
		}
	}
}

func (h help) commands(commands []*cli.Command) {
	widest := 0
	for _, c := range commands {
		widest = max(widest, len(c.Name))
	}
	for _, c := range commands {
		fold(h.w, fmt.Sprintf("  %-*s  ", widest, c.Name), "%s", c.Usage)
	}
}

// options has what they mean behind them, or below those that are too long.
func (h help) options(flags []cli.Flag) {
	const column = 28
	for _, f := range flags {
		option, usage := explain(f)
		prefix := fmt.Sprintf("%-*s", column, "  "+option)
		if len(option) > column-4 {
			fmt.Fprintln(h.w, prefix)
			prefix = strings.Repeat(" ", column)
		}
		fold(h.w, prefix, "%s", usage)
	}
}

// explain is an option as it is written, and what it means.
func explain(f cli.Flag) (option, usage string) {
	option, usage, _ = strings.Cut(f.String(), "\t")
	if once, _, repeated := strings.Cut(option, " [ "); repeated {
		option = once + " ..."
	}
	for _, nothing := range []string{" (default: false)", " (default: 0s)"} {
		usage = strings.TrimSuffix(usage, nothing)
	}
	return option, usage
}

// A paragraph with an indented line, a table or commands, stays as it is.
type paragraph struct {
	text     string
	verbatim bool
}

func paragraphs(text string) (all []paragraph) {
	for _, p := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		all = append(all, paragraph{p, strings.HasPrefix(p, "  ") || strings.Contains(p, "\n  ")})
	}
	return all
}
