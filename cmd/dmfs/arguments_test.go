package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestPermute(t *testing.T) {
	commands := []*cli.Command{
		{Name: "file", Subcommands: []*cli.Command{{
			Name:  "sign",
			Flags: []cli.Flag{&cli.StringFlag{Name: "key", Aliases: []string{"k"}}, &cli.BoolFlag{Name: "json"}},
		}}},
		{Name: "status", Flags: []cli.Flag{&cli.BoolFlag{Name: "json"}}},
	}
	for _, test := range []struct{ name, in, want string }{
		{"nothing", "dmfs", "dmfs --help"},
		{"flags first", "dmfs file sign --key K FILE", "dmfs file sign --key K -- FILE"},
		{"flags last", "dmfs file sign FILE --key K", "dmfs file sign --key K -- FILE"},
		{"an alias", "dmfs file sign FILE -k K", "dmfs file sign -k K -- FILE"},
		{"a value behind =", "dmfs file sign FILE --key=K more", "dmfs file sign --key=K -- FILE more"},
		{"a switch takes no value", "dmfs status --json NAME", "dmfs status --json -- NAME"},
		{"after -- all are words", "dmfs file sign -- FILE --key K", "dmfs file sign -- FILE --key K"},
		{"a lone dash is a word", "dmfs file sign - --key K", "dmfs file sign --key K -- -"},
		{"an unknown flag stays a flag", "dmfs file sign FILE --odd", "dmfs file sign --odd -- FILE"},
		{"a missing value", "dmfs file sign FILE --key", "dmfs file sign --key -- FILE"},
		{"a group is left alone", "dmfs file --help", "dmfs file --help"},
		{"an unknown command too", "dmfs odd --key K", "dmfs odd --key K"},
		{"help for a command", "dmfs help file sign", "dmfs file sign --help"},
		{"help alone", "dmfs help", "dmfs --help"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := strings.Fields(test.in)
			got := strings.Join(permute(commands, slices.Clone(in)), " ")
			if got != test.want {
				t.Errorf("permute(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}
