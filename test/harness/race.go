//go:build race

package harness

// Race says whether the tests, and so the nodes, run under the race detector.
const Race = true
