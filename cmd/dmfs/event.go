//go:build linux

package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/index"
)

// An event is one line of .dmfs/events and of `watch --json`. Fields are only ever added, and kinds.
type event struct {
	Seq     uint64     `json:"seq"`  // the change, or the newest one when another event came
	Time    time.Time  `json:"time"` // by this node's clock; no two events have the same
	Kind    string     `json:"kind"`
	Name    string     `json:"name,omitempty"`
	Signer  string     `json:"signer,omitempty"`  // of a change; raw base64
	Version *time.Time `json:"version,omitempty"` // of a change: the signed time
	Origin  string     `json:"origin,omitempty"`  // who brought what changed or was refused: "mount" or a peer id
	Peer    string     `json:"peer,omitempty"`    // the id of the member
	Member  string     `json:"member,omitempty"`  // the name in its certificate
	Errno   string     `json:"errno,omitempty"`   // of a refusal, as ENOKEY
	Fault   string     `json:"fault,omitempty"`   // its kind, as in dmfs_peer_faults_total
	Text    string     `json:"text"`              // a sentence for people
	Hint    string     `json:"hint,omitempty"`    // of a refusal: what to do next
}

// Kinds of events. The first line of .dmfs/events is of kind "earlier": it says up to which
// change the lines may have none, and as its time since when there are lines at all.
const (
	kindEarlier     = "earlier"
	kindPublished   = "published"   // a change: a file, or a version of it, is shown
	kindRefused     = "refused"     // something that was written or sent
	kindJoined      = "joined"      // a member is connected to this node
	kindAway        = "away"        // it is so no more
	kindCertificate = "certificate" // a member's is soon over
	kindFault       = "fault"       // a member misbehaves, or may: once an hour for each fault
)

// isChange reports whether the event is one of a file: published, or one of the states deleted,
// expired and withheld.
func (e event) isChange() bool {
	switch e.Kind {
	case kindPublished, stateDeleted, stateExpired, stateWithheld:
		return true
	}
	return false
}

// event is the change that made a file what it is.
func (f listed) event() event {
	e := event{Seq: f.Seq, Kind: f.State, Name: f.Name, Signer: f.Signer, Version: f.SignedAt, Origin: f.Origin}
	if f.Since != nil {
		e.Time = *f.Since
	}
	switch f.State {
	case stateValid:
		e.Kind = kindPublished
		e.Text = fmt.Sprintf("%d bytes, signed as of %s", f.Size, f.SignedAt.Format(time.RFC3339Nano))
	case stateDeleted:
		e.Text = "as of " + f.SignedAt.Format(time.RFC3339Nano)
	case stateExpired:
		e.Text = "its lifetime is over"
	case stateWithheld:
		e.Text = "the policy does not admit it now, or a certificate is over"
	}
	return e
}

func refusalEvent(r index.Refused) event {
	return event{
		Kind: kindRefused, Name: r.Name, Origin: r.Origin, Errno: errnoName(fs.Errno(r.Err)),
		Text: oneLine(strings.TrimPrefix(r.Reason, r.Name+": ")), Hint: oneLine(r.Hint),
	}
}

// errnoName is "OK" for none.
func errnoName(code syscall.Errno) string {
	if code == 0 {
		return "OK"
	}
	if name := unix.ErrnoName(code); name != "" {
		return name
	}
	return "EIO"
}

func meetingEvent(id, name string, connected bool) event {
	e := event{Kind: kindAway, Peer: id, Member: name, Text: "not connected to this node any more"}
	if connected {
		e.Kind, e.Text = kindJoined, "connected to this node"
	}
	return e
}

// line is the event for people.
func (e event) line() string {
	who := e.Name
	if who == "" {
		who = pagePeer{ID: e.Peer, Name: e.Member}.who()
	}
	text := e.Text
	if e.Origin != "" {
		text = fmt.Sprintf("from %s: %s", e.Origin, text)
	}
	if e.Hint != "" {
		text += "; hint: " + e.Hint
	}
	return harmless(fmt.Sprintf("%s %d %s %s: %s", e.Time.Local().Format(time.DateTime), e.Seq, e.Kind, who, text))
}

// harmless replaces what a terminal would obey: what was refused may have any name.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// isAbout reports whether an event is about one of names, or about a name below one of
// them; all are when there are no names.
func (e event) isAbout(names []string) bool {
	for _, n := range names {
		if below, ok := strings.CutPrefix(e.Name, strings.TrimSuffix(n, "/")); ok && (below == "" || below[0] == '/') {
			return true
		}
	}
	return len(names) == 0
}
