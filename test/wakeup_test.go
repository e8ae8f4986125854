package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/test/harness"
)

// TestNodeAwaitsWakeUp: a node has the timer that the kernel cancels when the machine wakes up or the clock is set.
// What follows from that is tested in package replica.
func TestNodeAwaitsWakeUp(t *testing.T) {
	m := harness.Start(t, harness.Options{Nodes: 1})
	harness.Eventually(t, patience, func() error {
		infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", m.Nodes[0].Pid()))
		if err != nil {
			return err
		}
		for _, path := range infos {
			info, err := os.ReadFile(path)
			if err != nil {
				continue // closed since
			}
			const realtime, absoluteAndCancelled = "clockid: 0\n", "settime flags: 03\n"
			if strings.Contains(string(info), realtime) && strings.Contains(string(info), absoluteAndCancelled) {
				return nil
			}
		}
		return errors.New("the node has no such timer")
	})
}
