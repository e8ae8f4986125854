//go:build linux

package main

import (
	"context"
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
	m, err := findMount(c)
	if ctx.Err() != nil || codeOf(err) != exitNoMount {
		return m, err
	}
	b, err := newBell(m.dir)
	if err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		if err = m.refresh(); err == nil {
			break
		}
		b.await(ctx)
	}
	return m, err
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
	printPeers(w, p.Peers, now)
	if p.ClockBehind > 0 {
		say(w, "warning", "this clock is %s behind the newest version: it is wrong, or a signer's was",
			p.ClockBehind.Round(time.Second))
	}
	if n := len(p.Warnings) - maxListed; n > 0 {
		say(w, "warning", "%d earlier ones: --json has all", n)
		p.Warnings = p.Warnings[n:]
	}
	for _, x := range p.Warnings {
		say(w, "warning", "at %s: %s", x.At.Format(time.DateTime), x.Text)
	}
	if len(p.Overruled) > 0 {
		say(w, "warning", "the configuration overrules policy.toml: %s", strings.Join(p.Overruled, ", "))
	}
	if n := len(p.Refused) - maxListed; n > 0 {
		say(w, "refused", "%d earlier ones: --json has all", n)
		p.Refused = p.Refused[n:]
	}
	for _, r := range p.Refused {
		say(w, "refused", "%s, from %s at %s: %s", r.Name, r.Origin, r.At.Format(time.DateTime), r.sentence())
	}
}

// fileStatus is `status NAME --json`.
type fileStatus struct {
	listed
	Refused *pageRefused `json:"refused"`
	Nodes   []fileNode   `json:"nodes"` // every other one that is known
}

// fileNode is what another node has of a file.
type fileNode struct {
	ID    string     `json:"id"`
	Name  string     `json:"name"`
	Has   bool       `json:"has"`             // the version that is here, or a later one; else older, or not known
	Since *time.Time `json:"since,omitempty"` // when that was heard
}

func (m *mounted) nodes(name trust.Name) ([]fileNode, error) {
	have, lack, err := m.holders(name)
	nodes := []fileNode{}
	for _, p := range have {
		nodes = append(nodes, fileNode{p.ID, p.Name, true, moment(p.SeqAt)})
	}
	for _, p := range lack {
		nodes = append(nodes, fileNode{ID: p.ID, Name: p.Name})
	}
	return nodes, err
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
	f, ok, err := m.file(name)
	if err != nil {
		return err
	}
	if ok {
		status.listed = f
		if status.Nodes, err = m.nodes(name); err != nil {
			return err
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
		printNodes(w, s.Nodes)
	}
	if r := s.Refused; r != nil {
		say(w, "refused", "from %s at %s: %s", r.Origin, r.At.Format(time.DateTime), r.sentence())
		if r.Hint != "" {
			say(w, "hint", "%s", r.Hint)
		}
	}
	return nil
}

// printNodes counts those that have the file and names the others.
func printNodes(w io.Writer, nodes []fileNode) {
	var lack []string
	for _, n := range nodes {
		if !n.Has {
			lack = append(lack, pagePeer{ID: n.ID, Name: n.Name}.who())
		}
	}
	say(w, "on", "%d of %d other nodes", len(nodes)-len(lack), len(nodes))
	if len(lack) > 0 {
		say(w, "not on", "%s", strings.Join(lack, ", "))
	}
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
