//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// What a journal keeps at most.
const (
	maxEvents     = 1000
	maxEventBytes = 256 << 10
)

// A journal has the newest events of this run of the node, in memory.
type journal struct {
	began time.Time

	mu    sync.Mutex
	seq   uint64 // the newest change that is shown
	from  uint64 // the newest change that may have no line
	last  time.Time
	lines []journalLine
	bytes int
}

type journalLine struct {
	seq  uint64 // of a change, else 0
	text []byte
}

// newJournal starts where nothing has happened.
func newJournal(now time.Time) *journal { return &journal{began: now.UTC(), last: now.UTC()} }

// begin notes that all changes up to seq are shown already.
func (j *journal) begin(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq, j.from = max(j.seq, seq), max(j.from, seq)
}

// add takes an event. It sets the time, and the seq unless it is a change.
func (j *journal) add(e event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now().UTC()
	if !now.After(j.last) {
		now = j.last.Add(1)
	}
	e.Time, j.last = now, now
	line := journalLine{}
	if e.isChange() {
		j.seq, line.seq = max(j.seq, e.Seq), e.Seq
	} else {
		e.Seq = j.seq
	}
	line.text = jsonLine(e)
	j.lines, j.bytes = append(j.lines, line), j.bytes+len(line.text)
	j.forget()
}

// forget drops the oldest lines that are too many.
func (j *journal) forget() {
	n := 0
	for ; len(j.lines)-n > maxEvents || j.bytes > maxEventBytes; n++ {
		j.from = max(j.from, j.lines[n].seq)
		j.bytes -= len(j.lines[n].text)
	}
	clear(j.lines[:n])
	j.lines = j.lines[n:]
}

// page is .dmfs/events.
func (j *journal) page() ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := bytes.NewBuffer(jsonLine(event{
		Seq: j.from, Time: j.began, Kind: kindEarlier,
		Text: "later changes are below, and what else happened lately; of others files.json has each name's newest",
	}))
	text.Grow(j.bytes)
	for _, l := range j.lines {
		text.Write(l.text)
	}
	return text.Bytes(), nil
}

// jsonLine cannot fail: an event is made of strings, numbers and times of this century.
func jsonLine(e event) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		text, _ = json.Marshal(event{Seq: e.Seq, Kind: e.Kind, Text: err.Error()}) //nolint:errcheck // see above
	}
	return append(text, '\n')
}
