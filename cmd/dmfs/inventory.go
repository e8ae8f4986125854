//go:build linux

package main

import (
	"encoding/json"
	"time"

	"dmfs/fs"
	"dmfs/index"
)

// States of a name in files.json.
const (
	stateValid    = "valid"    // shown
	stateDeleted  = "deleted"  // by a signed deletion
	stateExpired  = "expired"  // its lifetime is over
	stateWithheld = "withheld" // the policy does not admit it any more, or a certificate is over
)

// fileList is .dmfs/files.json in a mount. Fields are only ever added.
type fileList struct {
	Seq   uint64   `json:"seq"`   // of the newest change
	Files []listed `json:"files"` // every name of which there is anything, by name
}

// listed is one file of files.json, `file list --json` and `status NAME --json`.
type listed struct {
	Name     string     `json:"name"`
	Signer   string     `json:"signer"`            // raw base64; empty when withheld, as are the next three
	SignedAt *time.Time `json:"signed_at"`         // the version, RFC 3339
	Size     int64      `json:"size"`              // bytes
	Digest   string     `json:"digest"`            // BLAKE2b-512, hex
	Expires  *time.Time `json:"expires,omitempty"` // none: never
	Origin   string     `json:"origin"`            // who brought it here: "mount" or a peer id
	Since    *time.Time `json:"since"`             // when it came here, by this node's clock
	Seq      uint64     `json:"seq"`               // of the change
	State    string     `json:"state"`             // valid, deleted, expired or withheld
}

// pages are the files of .dmfs, each with what makes it. Their order is for ever.
func (r *reporter) pages() []fs.Page {
	registry := newRegistry(r)
	return []fs.Page{
		{Name: "files.json", Render: func() ([]byte, error) { return renderPage(r.files()) }},
		{Name: "metrics", Render: func() ([]byte, error) { return metricsPage(registry) }},
		{Name: peersPage, Render: func() ([]byte, error) { return renderPage(r.peers()) }},
		{Name: "status.json", Render: func() ([]byte, error) { return renderPage(r.status()) }},
		{Name: eventsPage, Render: r.journal.page},
	}
}

func renderPage(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

func (r *reporter) files() fileList {
	list := fileList{Seq: r.index.Seq(), Files: []listed{}}
	for _, e := range r.index.Entries() {
		list.Files = append(list.Files, inspect(e))
	}
	return list
}

func inspect(e index.Entry) listed {
	l := listed{Name: e.Name.String(), Size: e.Size, Origin: e.Origin, Since: moment(e.Since), Seq: e.Seq, State: stateWithheld}
	if e.Record.IsZero() {
		return l
	}
	l.Signer, l.SignedAt = e.Record.Signer().String(), moment(e.Record.Version().Time())
	if at, ok := e.Record.Expires(); ok {
		l.Expires = moment(at)
	}
	switch {
	case e.Expired:
		l.State = stateExpired
	case e.Record.Deleted():
		l.State = stateDeleted
	case e.Shown:
		l.State = stateValid
	}
	if l.State != stateDeleted {
		l.Digest = e.Record.Digest().String()
	}
	return l
}
