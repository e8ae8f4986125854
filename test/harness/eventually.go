package harness

import (
	"testing"
	"time"
)

// tick is how often a condition is looked at.
const tick = 5 * time.Millisecond

// Within is a limit that dmfs promises, and ten times it under the race
// detector, which promises nothing.
func Within(limit time.Duration) time.Duration {
	if Race {
		return 10 * limit
	}
	return limit
}

// Eventually waits until condition returns nil, and returns how long that took.
// It fails the test with the condition's last error after timeout.
func Eventually(t testing.TB, timeout time.Duration, condition func() error) time.Duration {
	t.Helper()
	started := time.Now()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		begun := time.Now()
		err := condition()
		switch {
		case err == nil:
			return time.Since(started)
		case begun.Sub(started) > timeout:
			t.Fatalf("not within %v: %v", timeout, err)
		}
		<-ticker.C
	}
}
