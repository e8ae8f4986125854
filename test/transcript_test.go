package test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
)

// A step is a command of a document's console block, and what it is said to print.
type step struct {
	prompt  string // "" for a plain "$ ", else who runs it, as in "alpha# "
	command string // with its continuation lines
	output  string
}

// transcript reads the first console block below a heading of a document. The whole
// document has no heading: "" is its first block.
func transcript(t *testing.T, document, heading string) (steps []step) {
	t.Helper()
	_, text, ok := strings.Cut(string(read(t, filepath.Join(root, document))), heading+"\n")
	_, text, _ = strings.Cut(text, "```console\n")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatalf("%s has no session below %q", document, heading)
	}
	prompt := regexp.MustCompile(`^([a-z]*)[$#] (.*\n)$`)
	for line := range strings.Lines(text) {
		more, continued := strings.CutPrefix(line, "> ")
		if m := prompt.FindStringSubmatch(line); m != nil {
			steps = append(steps, step{m[1], m[2], ""})
		} else if last := &steps[len(steps)-1]; continued {
			last.command += more
		} else {
			last.output += line
		}
	}
	return steps
}

// prints says whether an output is what the document has: "..." in that stands for
// anything.
func (s step) prints(output string) bool {
	want := strings.ReplaceAll(regexp.QuoteMeta(s.output), `\.\.\.`, `(?s:.*)`)
	return regexp.MustCompile(`^` + want + `$`).MatchString(output)
}

// A shell runs a command where a prompt says, and returns what it printed.
type shell func(command string) (string, error)

// follow does what a document says, as written. Each command is repeated until it
// prints what is documented; one of which no output is shown has to succeed. It logs how
// long after the beginning of the one before that was: what the effect took, when
// that published something.
func follow(t *testing.T, steps []step, shells map[string]shell) {
	t.Helper()
	before := time.Now()
	for _, s := range steps {
		run := shells[s.prompt]
		if run == nil {
			t.Fatalf("who is %q?", s.prompt)
		}
		began := time.Now()
		harness.Eventually(t, patience, func() error {
			out, err := run(s.command)
			if s.output == "" && err != nil || s.output != "" && !s.prints(out) {
				return fmt.Errorf("%s prints %q, not %q: %w", strings.TrimSpace(s.command), out, s.output, err)
			}
			return nil
		})
		t.Logf("%s: %s: done %v after the one before began", s.prompt, strings.TrimSpace(s.command), time.Since(before).Round(time.Millisecond))
		before = began
	}
}
