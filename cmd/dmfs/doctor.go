//go:build linux

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look for what keeps the node from working, and say what to do",
		Description: `Looks at the kernel, /dev/fuse, the clock, the configuration, the keys, the
certificate, the mount, the network and the policy, whether the node runs or
not, and changes nothing. Run it as the user who runs the node. --json prints a
list of objects: check, state (ok, warning,
failed or skipped), text, hint.

Exit codes: 0 nothing failed, 1 something did, 2 wrong command line.`,
		Flags:  []cli.Flag{configFlag(), jsonFlag()},
		Action: runDoctor,
	}
}

// A finding is what one check came to.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// States of a finding.
const (
	findOK      = "ok"
	findWarning = "warning"
	findFailed  = "failed"
	findSkipped = "skipped" // something that it needs failed before
)

func fine(format string, args ...any) finding {
	return finding{State: findOK, Text: fmt.Sprintf(format, args...)}
}

func doubt(hint, format string, args ...any) finding {
	return finding{State: findWarning, Text: fmt.Sprintf(format, args...), Hint: hint}
}

func skipped(text string) finding { return finding{State: findSkipped, Text: text} }

func wrong(err error, hint string) finding {
	return finding{State: findFailed, Text: oneLine(err.Error()), Hint: oneLine(either(hintOf(err), hint))}
}

// A patient is what the doctor looks at. cfg is nil when the configuration is
// broken, and page when no node runs.
type patient struct {
	cli  *cli.Context
	now  time.Time
	cfg  *Config
	page *page
}

// checks come in an order in which later ones may use what earlier ones found.
var checks = []struct {
	name string
	look func(*patient) finding
}{
	{"kernel", (*patient).kernel},
	{"fuse", (*patient).fuse},
	{"clock", (*patient).clock},
	{"config", (*patient).configuration},
	{"identity", (*patient).identity},
	{"member", (*patient).member},
	{"mount", (*patient).mount},
	{"network", (*patient).network},
	{"policy", (*patient).policy},
}

func runDoctor(c *cli.Context) error {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	p := &patient{cli: c, now: time.Now()}
	findings, failed := []finding{}, 0
	for _, check := range checks {
		f := check.look(p)
		if f.Check = check.name; f.State == findFailed {
			failed++
		}
		findings = append(findings, f)
	}
	if c.Bool("json") {
		if err := writeJSON(c, findings); err != nil {
			return err
		}
	} else {
		printFindings(c.App.Writer, findings)
	}
	if failed > 0 {
		return fail(exitFailed, "", "%d of %d checks failed", failed, len(findings))
	}
	return nil
}

func printFindings(w io.Writer, findings []finding) {
	for _, f := range findings {
		text := f.Text
		if f.State != findOK {
			text = f.State + ": " + text
		}
		say(w, f.Check, "%s", text)
		if f.Hint != "" {
			say(w, "", "hint: %s", f.Hint)
		}
	}
}
