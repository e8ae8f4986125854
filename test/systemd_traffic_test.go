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

// startReader starts a service that reads a file until it is stopped.
func (s *site) startReader(unit, path string, sandbox ...string) {
	s.t.Helper()
	out := "/test/" + unit
	s.sh("rm -f " + out + ".out " + out + ".err")
	command := []string{"systemd-run", "--quiet", "--unit=" + unit, "-p", "StandardOutput=file:" + out + ".out", "-p", "StandardError=file:" + out + ".err"}
	for _, p := range sandbox {
		command = append(command, "-p", p)
	}
	s.run(append(command, "/usr/bin/reader", path)...)
	harness.Eventually(s.t, patience, func() error {
		text, err := os.ReadFile(filepath.Join(s.Dir, unit+".err"))
		if string(text) != "reading\n" {
			return fmt.Errorf("%s says %q: %w", unit, text, err)
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

// stopReader returns what it printed; no read may have failed.
func (s *site) stopReader(unit string) (r reading) {
	s.t.Helper()
	s.run("systemctl", "stop", unit+".service")
	text, err := os.ReadFile(filepath.Join(s.Dir, unit+".out"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		s.t.Fatalf("%s printed %q: %v", unit, text, err)
	}
	if r.Errors > 0 {
		s.t.Errorf("%s: %d of %d reads failed, the first with: %s", unit, r.Errors, r.Reads, r.Error)
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
