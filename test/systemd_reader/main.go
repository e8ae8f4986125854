// Command systemd_reader reads a file in a mount again and again while a test
// restarts the node, and says what it saw when it gets SIGTERM. It is a program
// of its own since it runs in the container with the node.
//
// It also holds one version open from start to end, which must stay readable,
// and counts how often a new version was moved into the directory.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// report is printed as one line of JSON.
type report struct {
	Reads   int           `json:"reads"`
	Errors  int           `json:"errors"`
	Error   string        `json:"error"` // the first one
	Longest time.Duration `json:"longest_ns"`
	Moved   int64         `json:"moved"` // events
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r, err := read(ctx, os.Args[1])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(ctx context.Context, path string) (r report, err error) {
	old, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer old.Close()
	first, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	moved, err := watch(filepath.Dir(path))
	if err != nil {
		return r, err
	}
	fmt.Fprintln(os.Stderr, "reading")
	for ctx.Err() == nil {
		begun := time.Now()
		r.note(readOnce(path), time.Since(begun))
		begun = time.Now()
		r.note(readAgain(old, first), time.Since(begun))
	}
	r.Moved = moved.Load()
	return r, nil
}

func (r *report) note(err error, took time.Duration) {
	r.Reads++
	r.Longest = max(r.Longest, took)
	if err == nil {
		return
	}
	if r.Errors++; r.Error == "" {
		r.Error = err.Error()
	}
}

// readOnce also lists and stats, and checks that the text is whole.
func readOnce(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var content struct{ N int }
	if err := json.Unmarshal(text, &content); err != nil {
		return fmt.Errorf("torn: %w: %q", err, text)
	}
	_, err = os.ReadDir(filepath.Dir(path))
	return err
}

func readAgain(old *os.File, first []byte) error {
	again := make([]byte, len(first))
	if _, err := old.ReadAt(again, 0); err != nil {
		return fmt.Errorf("open since the start: %w", err)
	}
	if !bytes.Equal(again, first) {
		return fmt.Errorf("open since the start: %q became %q", first, again)
	}
	return nil
}

// watch counts what is moved into a directory.
func watch(dir string) (*atomic.Int64, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		return nil, err
	}
	moved := new(atomic.Int64)
	go func() {
		events := make([]byte, 4096)
		for {
			n, err := unix.Read(fd, events)
			if err != nil {
				return
			}
			moved.Add(int64(bytes.Count(events[:n], []byte(".json\x00"))))
		}
	}()
	return moved, nil
}
