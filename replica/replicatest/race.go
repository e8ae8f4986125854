//go:build race

package replicatest

// race says whether tests run under the race detector.
const race = true
