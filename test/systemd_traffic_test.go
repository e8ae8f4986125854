package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"dmfs/test/harness"
)

func (s *site) startReader() {
	s.t.Helper()
	s.sh("rm -f /test/reader.out /test/reader.err")
	s.run("systemd-run", "--quiet", "--unit=reader", "-p", "StandardOutput=file:/test/reader.out",
		"-p", "StandardError=file:/test/reader.err", "/usr/bin/reader", local+"/config.json")
	harness.Eventually(s.t, patience, func() error {
		text, err := os.ReadFile(filepath.Join(s.Dir, "reader.err"))
		if string(text) != "reading\n" {
			return fmt.Errorf("the reader says %q: %w", text, err)
		}
		return nil
	})
}

// reading is what the reader prints.
type reading struct {
	Reads, Errors int
	Error         string
	Longest       time.Duration `json:"longest_ns"`
	Moved         int64
}

func (s *site) stopReader() (r reading) {
	s.t.Helper()
	s.run("systemctl", "stop", "reader.service")
	text, err := os.ReadFile(filepath.Join(s.Dir, "reader.out"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		s.t.Fatalf("the reader printed %q: %v", text, err)
	}
	return r
}

// startWriter writes numbers at dmfs.service's own mount until it is stopped,
// which tells the last one that was acknowledged, and how many were not.
func (s *site) startWriter() (stop func() (acknowledged, failed int)) {
	quit := make(chan struct{})
	var group sync.WaitGroup
	var last, failed int
	group.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-quit:
				return
			default:
			}
			path := filepath.Join(s.Dir, "written")
			if os.WriteFile(path, []byte(strconv.Itoa(n)), 0o600) != nil {
				return
			}
			_, err := s.try("dmfs", "file", "update", "/test/written", "--name", "written.json", "--key", "/test/my.key", "--mount", local)
			if err == nil {
				last = n
			} else {
				failed++
			}
		}
	})
	return func() (int, int) {
		close(quit)
		group.Wait()
		return last, failed
	}
}

// checkWritten: what was acknowledged is there, or something later.
func (s *site) checkWritten(t *testing.T, acknowledged int) {
	t.Helper()
	text := s.run("cat", local+"/written.json")
	if n, err := strconv.Atoi(text); err != nil || n < acknowledged {
		t.Errorf("write %d was acknowledged, and %q is there", acknowledged, text)
	}
	harness.Eventually(t, patience, func() error {
		if got, err := s.try("cat", remote+"/written.json"); err != nil || got != text {
			return fmt.Errorf("the other node has %q, not %q: %w", got, text, err)
		}
		return nil
	})
}
