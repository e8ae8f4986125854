package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// build says which dmfs this is; its JSON form is that of `version --json`.
type build struct {
	Version  string `json:"version"`            // of the module, "(devel)" when built from a work tree
	Revision string `json:"revision,omitempty"` // commit, with "+dirty" when there were changes
	Time     string `json:"time,omitempty"`     // of the commit, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// stamp is set by who builds from an unpacked release, where Go finds no version:
// -ldflags "-X main.stamp=1.2.3".
var stamp string

func buildVersion() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	b.Revision, b.Time = set["vcs.revision"], set["vcs.time"]
	if set["vcs.modified"] == "true" {
		b.Revision += "+dirty"
	}
	b.Version = either(stamp, b.Version)
	return b
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:        "version",
		Usage:       "print the version of this program",
		Description: "Exit codes: 0 done, 2 wrong command line.",
		Flags:       []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			if err := takes(c, 0, 0); err != nil {
				return err
			}
			b := buildVersion()
			if c.Bool("json") {
				return writeJSON(c, b)
			}
			_, err := fmt.Fprintf(c.App.Writer, "dmfs %s %s %s\n", b.Version, b.Go, b.Platform)
			return err
		},
	}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON, for scripts"}
}

// writeJSON prints v indented, as one value.
func writeJSON(c *cli.Context, v any) error {
	e := json.NewEncoder(c.App.Writer)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// takes refuses a command line with fewer than low or more than high arguments.
func takes(c *cli.Context, low, high int) error {
	switch n := c.Args().Len(); {
	case n < low:
		return usagef("run: "+helpFor(c), "an argument is missing: %s", c.Command.ArgsUsage)
	case n > high:
		return usagef("run: "+helpFor(c), "unexpected argument %q", c.Args().Get(high))
	}
	return nil
}
