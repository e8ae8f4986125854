//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/replica"
)

// peerList is .dmfs/peers.json in a mount. Fields are only ever added.
type peerList struct {
	PeerID    string     `json:"peer_id"`   // of this node
	Addresses []string   `json:"addresses"` // as bootstrap_peers takes them
	Peers     []pagePeer `json:"peers"`     // every other node that is known
}

type pagePeer struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`      // in its certificate; empty: none shown
	NotAfter  *time.Time    `json:"not_after"` // the end of its certificate
	Address   string        `json:"address"`
	Agent     string        `json:"agent"` // name and version of its program
	Connected bool          `json:"connected"`
	Relay     string        `json:"relay"` // the peer through which it is connected; empty: directly
	Since     time.Time     `json:"since"`
	InSync    bool          `json:"in_sync"` // equal at the last comparison
	LastSync  time.Time     `json:"last_sync"`
	RTT       time.Duration `json:"rtt_ns"`

	// What it has, as last heard: all changes of this node up to Seq, since SeqAt.
	Seq    uint64    `json:"seq"`     // 0: not known
	SeqAt  time.Time `json:"seq_at"`  // by this node's clock
	Behind int       `json:"behind"`  // names that changed after Seq; -1: not known
	Seen   time.Time `json:"seen_at"` // its last sign of life

	Faults []pageFault `json:"faults"` // what it did wrong in the last day
}

func (r *reporter) peers() peerList {
	p := peerList{PeerID: r.peerID, Addresses: []string{}, Peers: []pagePeer{}}
	network := r.replica.Load()
	if network == nil {
		return p
	}
	p.Addresses = append(p.Addresses, network.Addrs()...)
	changes := r.changes()
	for _, peer := range network.Peers() {
		d := describePeer(peer)
		d.Behind = behind(d.Seq, changes)
		p.Peers = append(p.Peers, d)
	}
	return p
}

// changes are the numbers of all names' newest changes, sorted.
func (r *reporter) changes() (all []uint64) {
	for _, e := range r.index.Entries() {
		all = append(all, e.Seq)
	}
	slices.Sort(all)
	return all
}

// behind counts the changes after seq.
func behind(seq uint64, changes []uint64) int {
	if seq == 0 {
		return -1
	}
	n, _ := slices.BinarySearch(changes, seq+1)
	return len(changes) - n
}

func describePeer(p replica.Peer) pagePeer {
	d := pagePeer{
		ID: p.ID, Name: p.Name, Address: p.Addr, Agent: p.Agent, Connected: p.Connected, Relay: p.Relay, Since: p.Since.UTC(),
		InSync: p.InSync, LastSync: p.LastSync.UTC(), RTT: p.RTT,
		Seq: p.Seq, SeqAt: p.SeqAt.UTC(), Seen: p.Seen.UTC(), Faults: describeFaults(p.Faults),
	}
	if !p.NotAfter.IsZero() {
		d.NotAfter = moment(p.NotAfter)
	}
	return d
}

func connected(peers []pagePeer) (n int) {
	for _, p := range peers {
		if p.Connected {
			n++
		}
	}
	return n
}

// States of a peer.
const (
	stateEqual   = "equal" // connected, and has all that this node has
	stateDiffers = "differs"
	stateAway    = "away"
)

func (p pagePeer) state() string {
	switch {
	case p.Connected && (p.Behind == 0 || p.InSync):
		return stateEqual
	case p.Connected:
		return stateDiffers
	}
	return stateAway
}

// who is the peer's name, with the end of its id, since names are not unique.
func (p pagePeer) who() string {
	if p.Name == "" {
		return p.ID
	}
	return fmt.Sprintf("%s (%s)", p.Name, p.ID[max(0, len(p.ID)-8):])
}

// says is what there is to say of a peer beside its name.
func (p pagePeer) says(now time.Time) string {
	text := p.state()
	if !p.Connected && p.Seen.Unix() > 0 {
		text += " for " + span(now.Sub(p.Seen))
	} else if !p.Connected {
		text += ", not seen yet"
	}
	switch {
	case p.Behind == 1:
		text += ", 1 file behind"
	case p.Behind > 1:
		text += fmt.Sprintf(", %d files behind", p.Behind)
	}
	return text
}

func peersCommand() *cli.Command {
	return &cli.Command{
		Name:  "peers",
		Usage: "list the other nodes, what they have and since when",
		Description: `Formats .dmfs/peers.json of the mount; --json prints it as it is. A node is
"equal" when it has all that this one has, "differs" when it has not, and "away"
when it is not connected to this one. Among more than 64 nodes each is connected
to some of them only, and hears from these what the others have.

What a node did wrong in the last day is listed below it. An honest one "may
misbehave" when it has much to do, a bad link or a wrong clock; one that
"misbehaves" runs a broken program, or a hostile one. This node takes no harm,
and others find out by themselves; who shall have no part in the network any
more is named in [revoked] of the configuration or of policy.toml.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 4 no node
is mounted there.`,
		Flags:  append(mountFlags(), jsonFlag()),
		Action: listPeers,
	}
}

func listPeers(c *cli.Context) error {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	m, err := findMount(c)
	if err != nil {
		return err
	}
	list, err := m.peers()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c, list)
	}
	slices.SortFunc(list.Peers, func(a, b pagePeer) int { return cmp.Compare(a.who(), b.who()) })
	for _, p := range list.Peers {
		printPeer(c.App.Writer, p, list.way(p), time.Now())
	}
	return nil
}

func printPeer(w io.Writer, p pagePeer, way string, now time.Time) {
	fmt.Fprintln(w, p.who())
	fold(w, "  ", "%s; round trip %s, %s, %s", p.says(now), either(trip(p), "not known"), either(p.Agent, "program not known"), way)
	for _, f := range p.Faults {
		fold(w, "  ", "%s", f.says(now))
	}
}

// way says how a peer is reached.
func (l peerList) way(p pagePeer) string {
	if p.Relay == "" {
		return "at " + either(p.Address, "no address known")
	}
	for _, relay := range l.Peers {
		if relay.ID == p.Relay {
			return "relayed by " + relay.who()
		}
	}
	return "relayed by " + p.Relay
}

func trip(p pagePeer) string {
	if !p.Connected || p.RTT == 0 {
		return ""
	}
	return p.RTT.Round(10 * time.Microsecond).String()
}

// peers reads what the node says of the others.
func (m *mounted) peers() (list peerList, err error) {
	return list, m.read(peersPage, &list)
}
