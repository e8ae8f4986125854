package replicatest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

const (
	seedVariable = "DMFS_TEST_SEED" // the one schedule to run
	longVariable = "DMFS_TEST_LONG" // asks for many
)

// SimulateMany runs as many schedules as fit where the test runs: few with -short and under the race
// detector, else many, and ten times as many with DMFS_TEST_LONG. With DMFS_TEST_SEED it runs that one.
func SimulateMany(t *testing.T, level Level, few, many int) {
	t.Helper()
	first, count := uint64(0), many
	switch given := os.Getenv(seedVariable); {
	case given != "":
		first, count = seedOf(t, given), 1
	case Hurried():
		count = few
	case os.Getenv(longVariable) != "":
		first, count = uint64(rand.Uint32()), 10*many
	}
	t.Logf("%d schedules, from seed %d on", count, first)
	for shard := range shards {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			for i := shard; i < count; i += shards {
				Simulate(t, level, first+uint64(i))
			}
		})
	}
}

// shards is how many schedules run at once, if there are as many processors.
const shards = 4

func seedOf(t *testing.T, text string) uint64 {
	t.Helper()
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", seedVariable, err)
	}
	return seed
}
