//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"dmfs/replica"
)

// pageFault is what a peer did wrong in the last day.
type pageFault struct {
	Kind   string    `json:"kind"`          // as in dmfs_peer_faults_total
	Text   string    `json:"text"`          // behind the peer's name
	Honest bool      `json:"may_be_honest"` // by its load, its link, its clock or by chance
	Count  uint64    `json:"count"`
	Last   time.Time `json:"last_at"`
}

func describeFaults(faults []replica.Fault) []pageFault {
	all := []pageFault{}
	for _, f := range faults {
		all = append(all, pageFault{Kind: f.Kind, Text: f.Text, Honest: f.Honest, Count: f.Count, Last: f.Last.UTC()})
	}
	return all
}

// sentence goes behind the peer's name.
func (f pageFault) sentence() string {
	if f.Honest {
		return "may misbehave: " + f.Text
	}
	return "misbehaves: " + f.Text
}

// says is the sentence and how often that was so.
func (f pageFault) says(now time.Time) string {
	often := "once,"
	if f.Count > 1 {
		often = fmt.Sprintf("%d times, last", f.Count)
	}
	return fmt.Sprintf("%s (%s %s ago)", f.sentence(), often, span(now.Sub(f.Last)))
}

func faultEvent(id, name string, f replica.Fault) event {
	said := describeFaults([]replica.Fault{f})[0]
	return event{Kind: kindFault, Peer: id, Member: name, Fault: said.Kind, Text: said.sentence()}
}

// honestFor is how long the status names what an honest peer may have done, too.
const honestFor = time.Hour

// faulty is a peer and one of its faults.
type faulty struct {
	peer  pagePeer
	fault pageFault
}

// misbehaving are the peers that do wrong, those first that are not honest, and then what was last.
func misbehaving(peers []pagePeer, now time.Time) (list []faulty) {
	for _, p := range peers {
		for _, f := range p.Faults {
			if !f.Honest || now.Sub(f.Last) < honestFor {
				list = append(list, faulty{p, f})
			}
		}
	}
	slices.SortFunc(list, func(a, b faulty) int {
		return cmp.Or(a.rank()-b.rank(), b.fault.Last.Compare(a.fault.Last), cmp.Compare(a.peer.who(), b.peer.who()))
	})
	return list
}

func (f faulty) rank() int {
	if f.fault.Honest {
		return 1
	}
	return 0
}

// printFaults is the part of the glance that names who does wrong.
func printFaults(w io.Writer, list []faulty, now time.Time) {
	for _, f := range list[:min(len(list), maxListed)] {
		say(w, "", "%s %s", f.peer.brief(), f.fault.says(now))
	}
	andMore(w, len(list))
}
