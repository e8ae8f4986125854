package replica

import (
	"context"
	"log/slog"
	"sync"

	"github.com/libp2p/go-libp2p/gologshim"
)

var quietOnce sync.Once

// quietLibp2p sends what libp2p logs to our log as debug messages. libp2p has one log per process: the
// first replica's counts.
func quietLibp2p(log *slog.Logger) {
	quietOnce.Do(func() { gologshim.SetDefaultHandler(demoted{log.Handler()}) })
}

// demoted makes every message a debug message: a peer that misbehaves is no error of ours.
type demoted struct{ to slog.Handler }

func (d demoted) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.to.Enabled(ctx, slog.LevelDebug)
}

func (d demoted) Handle(ctx context.Context, rec slog.Record) error {
	rec.Level = slog.LevelDebug
	return d.to.Handle(ctx, rec)
}

func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler { return demoted{d.to.WithAttrs(attrs)} }
func (d demoted) WithGroup(name string) slog.Handler       { return demoted{d.to.WithGroup(name)} }
