package main

import (
	"bytes"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

func logFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "log", Value: "stderr", Usage: "log to `WHERE`: stderr, syslog, or the path of a file to append to",
	}
}

// newLog makes the log of a node. A system without a log daemon has no syslog:
// then what the node says is lost.
func newLog(where string, stderr io.Writer, level slog.Leveler) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level}
	switch where {
	case "stderr", "":
		return slog.New(slog.NewTextHandler(stderr, options)), nil
	case "syslog":
		daemon, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "dmfs")
		if err != nil {
			return slog.New(slog.DiscardHandler), nil
		}
		options.ReplaceAttr = withoutTime
		return slog.New(slog.NewTextHandler(severity{daemon}, options)), nil
	}
	if !filepath.IsAbs(where) {
		return nil, usagef("log to stderr, syslog, or a path that begins with /", "cannot log to %q", where)
	}
	f, err := os.OpenFile(where, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fail(exitFailed, "", "cannot log: %w", err)
	}
	return slog.New(slog.NewTextHandler(f, options)), nil
}

// withoutTime leaves out what the log daemon adds itself.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// severity tells the log daemon how grave each line is.
type severity struct{ *syslog.Writer }

// Write takes one line of a slog.TextHandler.
func (s severity) Write(line []byte) (int, error) {
	text := string(line)
	for mark, say := range map[string]func(string) error{
		"level=DEBUG": s.Debug, "level=WARN": s.Warning, "level=ERROR": s.Err,
	} {
		if bytes.HasPrefix(line, []byte(mark)) {
			return len(line), say(text)
		}
	}
	return len(line), s.Info(text)
}
