package test

import (
	"os"
	"testing"
	"time"

	"dmfs/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// patience is the deadline of a condition that no promise limits.
const patience = 60 * time.Second
