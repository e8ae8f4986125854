//go:build linux

package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"dmfs/fs"
	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
)

// page is .dmfs/status.json in a mount: how the node is. See also fileList and
// peerList.
// Fields are only ever added.
type page struct {
	Version    string        `json:"version"` // of the running program
	PID        int           `json:"pid"`     // of the node
	PeerID     string        `json:"peer_id"`
	Addresses  []string      `json:"addresses"` // as bootstrap_peers takes them; empty while there is no network
	Mountpoint string        `json:"mountpoint"`
	Started    time.Time     `json:"started"`
	Network    string        `json:"network"` // the network id in base64, empty: none
	Member     *certificate  `json:"member"`  // this node's certificate, null: none
	Seq        uint64        `json:"seq"`     // of the newest change
	Files      int           `json:"files"`   // that are shown
	Bytes      int64         `json:"bytes"`   // of their contents
	Peers      []pagePeer    `json:"peers"`
	Refused    []pageRefused `json:"refused"` // the last refusal of each name, newest last

	Warnings []pageWarning `json:"warnings"` // what is odd, now or lately

	NotListening []string      `json:"not_listening"`   // where it should, and why; among the warnings, too
	Overruled    []string      `json:"overruled"`       // entries of policy.toml that the configuration passes over
	ClockBehind  time.Duration `json:"clock_behind_ns"` // how far this clock is before the newest version; 0: it is not, or by no more than clock_skew
}

type pageRefused struct {
	Name   string    `json:"name"`
	Origin string    `json:"origin"` // "mount" or a peer id
	Reason string    `json:"reason"`
	Hint   string    `json:"hint,omitempty"`
	At     time.Time `json:"at"`
}

// pageWarning is something odd about a file that was accepted all the same, or
// about the node.
type pageWarning struct {
	Name string    `json:"name,omitempty"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

// sentence is the reason without the name in front, for where that was said.
func (r pageRefused) sentence() string { return strings.TrimPrefix(r.Reason, r.Name+": ") }

// reporter renders the pages of one node. The mount comes after them, and the
// replica later still, perhaps never.
type reporter struct {
	index      *index.Index
	credential *credential
	indexPath  string
	replica    atomic.Pointer[replica.Replica]
	mount      atomic.Pointer[fs.FS] // nil: not yet
	peerID     string
	mountpoint string
	started    time.Time
	journal    *journal
	counters   *counters
	examine    chan struct{} // there may be another certificate; holds one
}

func (r *reporter) status() page {
	network := r.peers()
	p := page{
		Version: buildVersion().Version, PID: os.Getpid(), PeerID: r.peerID, Addresses: network.Addresses,
		Mountpoint: r.mountpoint, Started: r.started.UTC(), Seq: r.index.Seq(),
		Peers: network.Peers, Refused: []pageRefused{},
	}
	if id := r.index.Policy().Network(); id != (trust.Key{}) {
		p.Network = id.String()
	}
	if by, behind := r.index.ClockBehind(); behind {
		p.ClockBehind = by
	}
	r.countFiles(&p)
	r.listRefused(&p)
	p.Member = r.credential.certificate()
	p.Warnings = r.warnings(time.Now())
	p.NotListening = append([]string{}, r.troubles()...)
	p.Overruled = append([]string{}, r.index.Policy().Overruled()...)
	return p
}

func (r *reporter) countFiles(p *page) {
	for _, e := range r.index.Entries() {
		if e.Shown {
			p.Files++
			p.Bytes += e.Size
		}
	}
}

func (r *reporter) listRefused(p *page) {
	for _, x := range r.index.Refusals() {
		p.Refused = append(p.Refused, pageRefused{Name: x.Name, Origin: x.Origin, Reason: x.Reason, Hint: x.Hint, At: x.At.UTC()})
	}
}

// warnings lists the newest last: what is wrong now comes after what was seen.
func (r *reporter) warnings(now time.Time) []pageWarning {
	all := []pageWarning{}
	for _, w := range r.index.Warnings() {
		all = append(all, pageWarning{Name: w.Name.String(), Text: w.Text, At: w.At.UTC()})
	}
	for _, text := range append(r.credential.warnings(now), r.troubles()...) {
		all = append(all, pageWarning{Text: text, At: now.UTC()})
	}
	return all
}

// troubles says where the node should listen and does not.
func (r *reporter) troubles() []string {
	if network := r.replica.Load(); network != nil {
		return network.Troubles()
	}
	return nil
}

// maxPage bounds what a status page may be, in bytes.
const maxPage = 64 << 20

func decodePage(r io.Reader, into any) error {
	return json.NewDecoder(io.LimitReader(r, maxPage)).Decode(into)
}
