//go:build linux

package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// reread is for what has no event: the end coming near, and files that are
	// replaced by moving a symbolic link above them.
	reread = time.Hour
	// settled is how long a file has to be left alone before it is read: who writes
	// it in place does so in steps.
	settled = 100 * time.Millisecond
)

// follow calls renew whenever the file may have changed, until ctx is done.
func (c *credential) follow(ctx context.Context, renew func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		c.log.Warn("the certificate's file is not watched; a SIGHUP has it read again", "err", err)
		return
	}
	defer w.Close()
	for ctx.Err() == nil {
		c.watch(ctx, w, renew)
	}
}

// watch is follow for one path: it returns when another one is pointed at.
func (c *credential) watch(ctx context.Context, w *fsnotify.Watcher, renew func()) {
	path := c.file()
	if path != "" {
		dir := filepath.Dir(path)
		if err := w.Add(dir); err != nil {
			c.log.Warn("the certificate's file is not watched; a SIGHUP has it read again", "err", err)
		}
		defer func() { _ = w.Remove(dir) }() //nolint:errcheck // gone with the directory
	}
	renew() // it may have changed before it was watched
	timer := time.NewTimer(reread)
	defer timer.Stop()
	for ctx.Err() == nil && c.file() == path {
		select {
		case e := <-w.Events:
			if e.Name == path {
				timer.Reset(settled)
			}
		case err := <-w.Errors: // events may be lost
			c.log.Warn("watching the certificate's file", "err", err)
			timer.Reset(settled)
		case <-timer.C:
			renew()
			timer.Reset(reread)
		case <-c.changed():
		case <-ctx.Done():
		}
	}
}
