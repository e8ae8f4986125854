package fs_test

import (
	"testing"

	"dmfs/fs/fstest"
)

// TestRequestsAreCounted by what they were and how they ended.
func TestRequestsAreCounted(t *testing.T) {
	n := fstest.Mount(t, "a")
	n.Must("! cat $M/absent && ! mkdir $M/dir && echo x > x && ! cp x $M/undeclared.sig")
	counts := map[string]uint64{}
	for _, r := range n.Requests() {
		counts[r.Operation+" "+r.Errno.Error()] += r.Count
	}
	for _, want := range []string{
		"lookup no such file or directory", "mkdir operation not permitted", "create errno 0", "write errno 0", "flush bad message",
	} {
		if counts[want] == 0 {
			t.Errorf("no %s in %v", want, counts)
		}
	}
}
