//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A bookmark is how far somebody has read the events of a node, over its restarts.
type bookmark struct {
	placed bool      // else at what comes next
	seq    uint64    // all changes up to it were read
	run    time.Time // the run of the node whose events were read last; zero: none yet
	last   time.Time // the last one that was read
}

// resume goes on after a change.
func (p *bookmark) resume(seq uint64) { p.placed, p.seq = true, seq }

// news returns what was not read yet and counts it as read. What the page does not reach back to is
// taken from the list of files.
func (p *bookmark) news(page eventPage, files func() (fileList, error)) (news []event, err error) {
	if !p.placed {
		p.read(page)
		return nil, nil
	}
	if p.seq > page.newest() || p.seq < page.from {
		list, err := files()
		if err != nil {
			return nil, err
		}
		if p.seq > list.Seq { // another index: all of it is news
			p.seq = 0
		}
		news = p.missed(list, page.from)
	}
	for _, e := range page.events {
		if p.isNews(e, page.run) {
			news = append(news, e)
		}
		if e.isChange() {
			p.seq = max(p.seq, e.Seq)
		}
	}
	p.read(page)
	return news, nil
}

// isNews decides by seq for a change, for another event by its time, as times of one run differ.
func (p *bookmark) isNews(e event, run time.Time) bool {
	switch {
	case e.isChange():
		return e.Seq > p.seq
	case p.run.IsZero():
		return e.Seq >= p.seq
	}
	return !run.Equal(p.run) || e.Time.After(p.last)
}

// missed returns the names' changes up to one from which on the page has all.
func (p *bookmark) missed(list fileList, upTo uint64) (events []event) {
	for _, f := range list.Files {
		if p.seq < f.Seq && f.Seq <= upTo {
			events = append(events, f.event())
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.Seq, b.Seq) })
	p.seq = max(p.seq, upTo)
	return events
}

// read moves the bookmark to the end of a page.
func (p *bookmark) read(page eventPage) {
	p.placed, p.seq = true, max(p.seq, page.newest())
	if !page.run.Equal(p.run) {
		p.run, p.last = page.run, page.run
	}
	if n := len(page.events); n > 0 {
		p.last = page.events[n-1].Time
	}
}

// newest is the newest change that the page tells of.
func (p eventPage) newest() uint64 {
	seq := p.from
	for _, e := range p.events {
		seq = max(seq, e.Seq)
	}
	return seq
}

var errNoEvents = errors.New("no page of events")

// events reads the page.
func (m *mounted) events() (page eventPage, err error) {
	f, err := os.Open(filepath.Join(m.dir, ".dmfs", eventsPage))
	if err != nil {
		return page, m.absent(err)
	}
	defer f.Close()
	return decodeEvents(f)
}

func decodeEvents(r io.Reader) (page eventPage, err error) {
	lines := json.NewDecoder(io.LimitReader(r, maxPage))
	for {
		var e event
		switch err := lines.Decode(&e); {
		case err == io.EOF && !page.run.IsZero():
			return page, nil
		case err != nil:
			return page, errors.Join(errNoEvents, err)
		case e.Kind == kindEarlier:
			page.run, page.from = e.Time, e.Seq
		default:
			page.events = append(page.events, e)
		}
	}
}
