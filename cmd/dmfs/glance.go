//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	// maxListed is how many peers of one kind, and how many refusals, the status names.
	maxListed = 10
	// allConnected: among so many nodes each is connected to each other one (package replica).
	allConnected = 64
	// soonOver is how long before its end a peer's certificate is worth a word.
	soonOver = 10 * daily
)

// printPeers says how the mesh is: a count, and a line for each peer that is not
// as it should be, or does what it should not.
func printPeers(w io.Writer, peers []pagePeer, now time.Time) {
	lacking, over := troubled(peers), expiring(peers, now)
	say(w, "peers", "%d of %d in sync, %d connected", len(peers)-lack(peers), len(peers), connected(peers))
	for _, p := range lacking[:min(len(lacking), maxListed)] {
		say(w, "", "%s %s", p.brief(), p.says(now))
	}
	andMore(w, len(lacking))
	for _, p := range over[:min(len(over), maxListed)] {
		if left := p.NotAfter.Sub(now); left > 0 {
			say(w, "", "certificate of %s over in %s", p.brief(), span(left))
		} else {
			say(w, "", "certificate of %s over since %s", p.brief(), p.NotAfter.Format(time.DateOnly))
		}
	}
	andMore(w, len(over))
	printFaults(w, misbehaving(peers, now), now)
}

func andMore(w io.Writer, n int) {
	if n > maxListed {
		say(w, "", "and %d more: dmfs peers lists all", n-maxListed)
	}
}

// lacks reports whether a peer has not all that this node has, or it is not known.
func (p pagePeer) lacks() bool {
	return p.state() == stateDiffers || p.state() == stateAway && p.Behind != 0
}

func lack(peers []pagePeer) (n int) {
	for _, p := range peers {
		if p.lacks() {
			n++
		}
	}
	return n
}

// troubled are the peers that lack something, the connected ones first, and those that are away though all
// should be connected.
func troubled(peers []pagePeer) (list []pagePeer) {
	for _, p := range peers {
		if p.lacks() || p.state() == stateAway && len(peers) < allConnected {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b pagePeer) int {
		return cmp.Or(cmp.Compare(b.state(), a.state()), b.Seen.Compare(a.Seen), cmp.Compare(a.who(), b.who()))
	})
	return list
}

// expiring are the peers whose certificate is soon over, the next one first.
func expiring(peers []pagePeer, now time.Time) (list []pagePeer) {
	for _, p := range peers {
		if p.NotAfter != nil && p.NotAfter.Sub(now) < soonOver {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b pagePeer) int { return cmp.Or(a.NotAfter.Compare(*b.NotAfter), cmp.Compare(a.who(), b.who())) })
	return list
}

// brief is who, with a long name cut.
func (p pagePeer) brief() string {
	if name := []rune(p.Name); len(name) > 22 {
		p.Name = string(name[:21]) + "…"
	}
	return p.who()
}

// span is a duration as people say it: its largest unit alone.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		if n := int(d / unit.length); n == 1 {
			return "1 " + unit.name
		} else if n > 1 {
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return fmt.Sprintf("%d s", int(max(0, d)/time.Second))
}
