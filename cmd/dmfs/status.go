//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "say how the node is, or what became of the file NAME",
		ArgsUsage: "[NAME]",
		Description: `Formats .dmfs/status.json of the mount; --json prints it as it is, with NAME
one object with the fields of "file list --json" and "refused", the last
refusal or null. From and since say who brought the version here, and when:
"mount" for a file that was copied in on this machine, else a peer id.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 4 no node
is mounted there, 6 the network has no file NAME.`,
		Flags:  append(mountFlags(), jsonFlag(), &cli.DurationFlag{Name: "wait", Usage: "wait up to `TIME` for the node to be mounted"}),
		Action: showStatus,
	}
}

func showStatus(c *cli.Context) error {
	if err := takes(c, 0, 1); err != nil {
		return err
	}
	m, err := awaitMount(c)
	if err != nil {
		return err
	}
	if name := c.Args().First(); name != "" {
		return showFile(c, m, name)
	}
	if c.Bool("json") {
		return writeJSON(c, m.page)
	}
	printPage(c.App.Writer, m.page, time.Now())
	return nil
}

// awaitMount is findMount that tries again for as long as --wait allows.
func awaitMount(c *cli.Context) (*mounted, error) {
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("wait"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		m, err := findMount(c)
		if codeOf(err) != exitNoMount || err == nil {
			return m, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return m, err
		}
	}
}

func printPage(w io.Writer, p page, now time.Time) {
	say(w, "mounted at", "%s", p.Mountpoint)
	say(w, "running", "dmfs %s for %s", p.Version, now.Sub(p.Started).Round(time.Second))
	say(w, "network", "%s", either(p.Network, "none: signatures carry no network id"))
	if m := p.Member; m != nil {
		say(w, "member", "%s, until %s", m.Name, m.NotAfter.Format(time.RFC3339))
	}
	say(w, "peer id", "%s", p.PeerID)
	label := "addresses"
	for _, addr := range p.Addresses {
		say(w, label, "%s", strings.TrimSuffix(addr, "/p2p/"+p.PeerID))
		label = ""
	}
	if len(p.Addresses) == 0 {
		say(w, label, "none: not on the network (yet); the log says why")
	}
	say(w, "files", "%d, %d bytes, change %d", p.Files, p.Bytes, p.Seq)
	say(w, "peers", "%d of %d connected", connected(p.Peers), len(p.Peers))
	for _, peer := range p.Peers {
		say(w, "", "%s", peerLine(peer, now))
	}
	if p.ClockBehind > 0 {
		say(w, "warning", "this clock is %s behind the newest version: it is wrong, or a signer's was",
			p.ClockBehind.Round(time.Second))
	}
	for _, x := range p.Warnings {
		say(w, "warning", "at %s: %s", x.At.Format(time.DateTime), x.Text)
	}
	if len(p.Overruled) > 0 {
		say(w, "warning", "the configuration overrules policy.toml: %s", strings.Join(p.Overruled, ", "))
	}
	for _, r := range p.Refused {
		say(w, "refused", "%s, from %s at %s: %s", r.Name, r.Origin, r.At.Format(time.DateTime), r.sentence())
	}
}

func connected(peers []pagePeer) (n int) {
	for _, p := range peers {
		if p.Connected {
			n++
		}
	}
	return n
}

// peerLine fits 80 columns: the peer id alone takes 52.
func peerLine(p pagePeer, now time.Time) string {
	if p.LastSync.IsZero() || p.LastSync.Unix() <= 0 {
		return fmt.Sprintf("%s %s", p.who(), p.state())
	}
	return fmt.Sprintf("%s %s, %s ago", p.who(), p.state(), now.Sub(p.LastSync).Round(time.Second))
}

// States of a peer.
const (
	stateEqual   = "equal" // connected, and has the same
	stateDiffers = "differs"
	stateAway    = "away"
)

func (p pagePeer) state() string {
	switch {
	case p.Connected && p.InSync:
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

// fileStatus is `status NAME --json`.
type fileStatus struct {
	listed
	Refused *pageRefused `json:"refused"`
}

func showFile(c *cli.Context, m *mounted, text string) error {
	name, err := trust.ParseName(text)
	if err != nil {
		return fail(exitUsage, "", "%w", err)
	}
	status := fileStatus{listed: listed{Name: name.String(), State: "absent"}}
	if r, ok := m.refusal(name.String(), time.Time{}); ok {
		status.Refused = &r
	}
	files, err := m.files()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name == name.String() {
			status.listed = f
		}
	}
	if err := printFile(c, status); err != nil || status.State == stateValid {
		return err
	}
	return fail(exitNoSuch, "", "%s has no version here", name)
}

func printFile(c *cli.Context, s fileStatus) error {
	if c.Bool("json") {
		return writeJSON(c, s)
	}
	w := c.App.Writer
	if s.Since != nil {
		printListed(w, s.listed)
	}
	if r := s.Refused; r != nil {
		say(w, "refused", "from %s at %s: %s", r.Origin, r.At.Format(time.DateTime), r.sentence())
		if r.Hint != "" {
			say(w, "hint", "%s", r.Hint)
		}
	}
	return nil
}

// printListed prints what the node has of a name.
func printListed(w io.Writer, f listed) {
	say(w, "name", "%s", f.Name)
	say(w, "state", "%s", f.State)
	if f.SignedAt != nil {
		say(w, "signed at", "%s", f.SignedAt.Format(time.RFC3339Nano))
		say(w, "signer", "%s", f.Signer)
	}
	if f.Expires != nil {
		say(w, "expires", "%s", f.Expires.Format(time.RFC3339Nano))
	}
	if f.State == stateValid {
		say(w, "size", "%d bytes", f.Size)
	}
	say(w, "from", "%s", f.Origin)
	say(w, "since", "%s", f.Since.Format(time.RFC3339Nano))
}
