//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// a told node is a journal with the names that changed, as files.json would list them.
type told struct {
	journal *journal
	files   map[string]uint64
	seq     uint64
}

func newTold(seq uint64) *told {
	t := &told{journal: newJournal(time.Now()), files: map[string]uint64{}, seq: seq}
	t.journal.begin(seq)
	return t
}

func (t *told) change(name string) {
	t.seq++
	t.files[name] = t.seq
	t.journal.add(t.file(name).event())
}

func (t *told) file(name string) listed {
	now := time.Now()
	return listed{Name: name, Seq: t.files[name], State: stateValid, SignedAt: &now, Since: &now}
}

func (t *told) list() (fileList, error) {
	list := fileList{Seq: t.seq}
	for name := range t.files {
		list.Files = append(list.Files, t.file(name))
	}
	return list, nil
}

// restart forgets the events.
func (t *told) restart() {
	t.journal = newJournal(time.Now())
	t.journal.begin(t.seq)
}

// reads returns the news as "seq name", or "seq kind" of what is no change.
func (t *told) reads(b *bookmark) (news []string) {
	text, err := t.journal.page()
	if err != nil {
		return []string{err.Error()}
	}
	page, err := decodeEvents(bytes.NewReader(text))
	if err != nil {
		return []string{err.Error()}
	}
	events, err := b.news(page, t.list)
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range events {
		what := e.Kind
		if e.isChange() {
			what = e.Name
		}
		news = append(news, fmt.Sprint(e.Seq, " ", what))
	}
	return news
}

func expectNews(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("read %q, want %q", got, want)
	}
}

// TestBookmark follows a node over its restarts and misses no change.
func TestBookmark(t *testing.T) {
	n := newTold(16)
	n.change("a")
	from, now := &bookmark{}, &bookmark{}
	from.resume(0)
	expectNews(t, n.reads(from), "17 a")
	expectNews(t, n.reads(now))
	n.journal.add(event{Kind: kindRefused})
	n.change("b")
	for _, b := range []*bookmark{from, now} {
		expectNews(t, n.reads(b), "17 refused", "18 b")
		expectNews(t, n.reads(b))
	}
	n.change("b")
	n.change("a")
	n.journal.add(event{Kind: kindJoined})
	n.restart()
	n.journal.add(event{Kind: kindAway})
	expectNews(t, n.reads(now), "19 b", "20 a", "20 away")
	expectNews(t, n.reads(now))
	old := &bookmark{}
	old.resume(19)
	expectNews(t, n.reads(old), "20 a", "20 away")
	n.change("b")
	expectNews(t, n.reads(from), "20 a", "20 away", "21 b")
}

// TestBookmarkOfAnotherIndex starts over, and one of changes that a crashed node shows again does not.
func TestBookmarkOfAnotherIndex(t *testing.T) {
	n := newTold(100)
	b := &bookmark{}
	b.resume(300)
	n.change("a")
	expectNews(t, n.reads(b), "101 a")
	n.change("a")
	n.change("b")
	expectNews(t, n.reads(b), "102 a", "103 b")
	n.journal = newJournal(time.Now())
	n.journal.begin(101)
	expectNews(t, n.reads(b))
	n.change("c")
	expectNews(t, n.reads(b), "104 c")
}

// TestJournalIsBounded in lines and in bytes, and what it dropped comes from the list of files.
func TestJournalIsBounded(t *testing.T) {
	for _, name := range []string{"x%d", strings.Repeat("long/", 200) + "%d"} {
		n := newTold(0)
		b := &bookmark{}
		b.resume(0)
		for i := range 1500 {
			n.change(fmt.Sprintf(name, i%700))
			n.journal.add(event{Kind: kindRefused, Name: fmt.Sprint(i)})
		}
		text, err := n.journal.page()
		if lines := bytes.Count(text, []byte("\n")); err != nil || lines > maxEvents+1 || len(text) > maxEventBytes+1024 || len(text) < 10000 {
			t.Errorf("%d lines, %d bytes: %v", lines, len(text), err)
		}
		seen := map[string]bool{}
		for _, line := range n.reads(b) {
			seen[line] = true
		}
		for name, seq := range n.files {
			if !seen[fmt.Sprint(seq, " ", name)] {
				t.Fatalf("the newest change of %s, %d, was not read", name, seq)
			}
		}
	}
}

// TestNoPageOfEvents: what is cut, or is something else, is no news.
func TestNoPageOfEvents(t *testing.T) {
	for _, text := range []string{"", "{", "{}\n", "nothing", `{"kind":"published"}`} {
		if _, err := decodeEvents(strings.NewReader(text)); !errors.Is(err, errNoEvents) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestEventsObeyNoNames: a terminal does what it is told by what is printed.
func TestEventsObeyNoNames(t *testing.T) {
	e := event{Kind: kindRefused, Name: "a\x1b[2J\nb", Text: "no\r", Hint: "x\u202e"}
	if line := e.line(); strings.ContainsAny(line, "\x1b\n\r\u202e") {
		t.Errorf("%q", line)
	}
	for arg, want := range map[string]bool{"dns": true, "dns/": true, "dns/zone": true, "dn": false, "dns/z": false} {
		if got := (event{Name: "dns/zone"}).isAbout([]string{"other", arg}); got != want {
			t.Errorf("%s: %v", arg, got)
		}
	}
}
