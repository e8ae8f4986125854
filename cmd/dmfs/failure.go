package main

import (
	"errors"
	"fmt"
	"strings"

	"dmfs/trust"
)

// Exit codes. Each has one meaning in every command.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRefused  = 3
	exitNoMount  = 4
	exitExists   = 5
	exitNoSuch   = 6
	exitNotClean = 7
)

const exitManual = `Exit codes, the same in every command:
  0  done
  1  failed: anything that has no code of its own
  2  the command line or the configuration is wrong; nothing was done
  3  a signature was refused
  4  no node is mounted there
  5  a file that would be overwritten exists; nothing was written
  6  the network has no such file
  7  the demo left something behind`

// failure is an error with the exit code and the advice that belong to it.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail makes an error for run to print: hint may be empty.
func fail(code int, hint, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

func usagef(hint, format string, args ...any) error {
	return fail(exitUsage, hint, format, args...)
}

// codeOf is the exit code for err: that of the outermost failure in its chain.
func codeOf(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	return exitFailed
}

// hintOf finds the advice in the tree of err; the outermost one wins.
func hintOf(err error) string {
	hint := ""
	switch e := err.(type) {
	case *failure:
		hint = e.hint
	case *trust.Refusal:
		hint = e.Hint
	}
	if hint != "" {
		return hint
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		hint = hintOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			hint = either(hint, hintOf(inner))
		}
	}
	return hint
}

// oneLine keeps an error that quotes a foreign text from taking more than its
// line.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}
