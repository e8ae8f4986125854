//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"dmfs/replica"
)

// TestFaultIsAnEvent that says who it is and whether that is certain.
func TestFaultIsAnEvent(t *testing.T) {
	for want, honest := range map[string]bool{"misbehaves: does so": false, "may misbehave: does so": true} {
		r := &reporter{journal: newJournal(time.Now())}
		r.blamed("12D3KooWmallory1", "mal\x1blory", replica.Fault{Kind: "kind", Text: "does so", Honest: honest})
		text, err := r.journal.page()
		if err != nil {
			t.Fatal(err)
		}
		page, err := decodeEvents(bytes.NewReader(text))
		if err != nil || len(page.events) != 1 {
			t.Fatalf("%d events, %v", len(page.events), err)
		}
		e := page.events[0]
		if e.Kind != kindFault || e.Fault != "kind" || e.Peer != "12D3KooWmallory1" || e.Text != want {
			t.Errorf("event: %+v", e)
		}
		if line := e.line(); !strings.HasSuffix(line, "fault mal\ufffdlory (mallory1): "+want) {
			t.Errorf("line: %q", line)
		}
	}
}
