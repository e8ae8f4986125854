//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func revertCommand() *cli.Command {
	return &cli.Command{
		Name:      "revert",
		Usage:     "publish an old version of the file NAME anew",
		ArgsUsage: "NAME",
		Description: `Signs the content that NAME had in an older version, as the newest one. The
versions that this node has kept are files below .dmfs/history/NAME in its
mount, named by the time of their signature: --to takes such a name. Without
--to they are listed.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 the
node refused the file, 4 no node is mounted there, 6 there is no such version.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "the `VERSION`, RFC 3339, for example 2026-11-23T12:00:00.5Z"},
			keyFlag(), ttlFlag(), certFlag(), networkFlag(), passphraseFlag(),
		}, mountFlags()...),
		Action: revertFile,
	}
}

func revertFile(c *cli.Context) error {
	name, m, err := nameInMount(c)
	if err != nil {
		return err
	}
	if c.String("to") == "" {
		return m.listVersions(c, name)
	}
	content, err := m.oldContent(name, c.String("to"))
	if err != nil {
		return err
	}
	ttl, err := ttlOf(c)
	if err != nil {
		return err
	}
	signer, err := readSigner(c)
	if err != nil {
		return err
	}
	return supersede(c, signer, m, content, trust.Statement{Name: name, TTL: ttl})
}

// oldContent reads a kept version.
func (m *mounted) oldContent(name trust.Name, text string) ([]byte, error) {
	version, err := parseTimestamp(text)
	if err != nil {
		return nil, err
	}
	content, err := readContent(filepath.Join(m.history(name), formatVersion(version)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitNoSuch, "list them with: dmfs file revert "+name.String(), "%s has no version of %s here", name, text)
	}
	return content, err
}

// history is where the mount has the kept versions of a name.
func (m *mounted) history(name trust.Name) string {
	return filepath.Join(m.dir, ".dmfs", "history", name.String())
}

// versions are the kept ones, the newest first.
func (m *mounted) versions(name trust.Name) (versions []trust.Version, err error) {
	entries, err := os.ReadDir(m.history(name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil, fail(exitNoSuch, "", "%s has no version here", name)
	}
	for _, e := range entries {
		if v, err := parseTimestamp(e.Name()); err == nil { // else a signature or a directory
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, func(a, b trust.Version) int { return cmp.Compare(b, a) })
	return versions, err
}

// listVersions prints the versions that are kept, the newest first.
func (m *mounted) listVersions(c *cli.Context, name trust.Name) error {
	versions, err := m.versions(name)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if _, err := fmt.Fprintln(c.App.Writer, formatVersion(v)); err != nil {
			return err
		}
	}
	return nil
}

// formatVersion is the text of a version that parseTimestamp reads, and the name of
// its file in the history.
func formatVersion(v trust.Version) string { return v.Time().UTC().Format(time.RFC3339Nano) }
