package harness

import (
	"os"
	"slices"
	"strings"
)

// Log is the end of what the node has written to standard error.
func (n *Node) Log() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-16<<10):])
}

// Lines counts the lines of the node's whole log that contain all of words.
func (n *Node) Lines(words ...string) (count int) {
	n.mesh.t.Helper()
	text, err := os.ReadFile(n.log)
	if err != nil {
		n.mesh.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			count++
		}
	}
	return count
}
