package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// permute moves the flags of a command line before its other arguments, since
// package cli stops at the first argument that is no flag, and people write
// `dmfs file sign FILE --key K`. Everything after `--` stays where it is.
func permute(commands []*cli.Command, args []string) []string {
	switch {
	case len(args) == 1:
		args = append(args, "--help")
	case len(args) > 1 && args[1] == "help": // `dmfs help file sign`
		args = slices.Concat(args[:1], args[2:], []string{"--help"})
	}
	path, flags, rest := descend(commands, args)
	var options, words []string
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		switch {
		case arg == "--":
			words = append(words, rest[i+1:]...)
			i = len(rest)
		case len(arg) < 2 || arg[0] != '-':
			words = append(words, arg)
		default:
			options = append(options, arg)
			if takesValue(flags, arg) && i+1 < len(rest) {
				i++
				options = append(options, rest[i])
			}
		}
	}
	if len(words) > 0 {
		words = append([]string{"--"}, words...)
	}
	return slices.Concat(path, options, words)
}

// descend splits args behind the words that name a command, and returns that
// command's flags. A group without a further command is left as it is.
func descend(commands []*cli.Command, args []string) (path []string, flags []cli.Flag, rest []string) {
	n := min(1, len(args))
	for n < len(args) {
		i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(args[n]) })
		if i < 0 {
			break
		}
		flags, commands = commands[i].Flags, commands[i].Subcommands
		n++
	}
	if len(commands) > 0 { // still at a group: nothing to reorder
		return args, nil, nil
	}
	return args[:n], flags, args[n:]
}

// takesValue says whether the option arg consumes the argument behind it.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		if d, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) {
			return d.TakesValue()
		}
	}
	return false
}
