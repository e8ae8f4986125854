package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the files in the mount with signer, signed time and size",
		Description: `Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 4 no node
is mounted there.`,
		Flags: append(mountFlags(), jsonFlag()),
		Action: func(c *cli.Context) error {
			if err := takes(c, 0, 0); err != nil {
				return err
			}
			m, err := findMount(c)
			if err != nil {
				return err
			}
			files, err := m.list()
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return writeJSON(c, files)
			}
			return printFiles(c, files)
		},
	}
}

// listed is one file of `file list --json` and `status NAME --json`.
type listed struct {
	Name     string    `json:"name"`
	Signer   string    `json:"signer"` // raw base64
	SignedAt time.Time `json:"signed_at"`
	Size     int64     `json:"size"` // bytes
	Digest   string    `json:"digest"`
	Expires  string    `json:"expires,omitempty"` // RFC 3339
	State    string    `json:"state"`
}

func (m *mounted) list() ([]listed, error) {
	files := []listed{}
	err := filepath.WalkDir(m.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".dmfs") && path != m.dir {
			return fs.SkipDir
		}
		if entry.IsDir() || strings.HasSuffix(path, ".sig") {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return nil // it went away meanwhile
		}
		name, err := filepath.Rel(m.dir, path)
		files = append(files, m.file(name, info))
		return err
	})
	return files, err
}

func (m *mounted) file(name string, info fs.FileInfo) listed {
	return listed{
		Name: name, Signer: m.attribute(name, "signer"), SignedAt: info.ModTime().UTC(), Size: info.Size(),
		Digest: m.attribute(name, "digest"), Expires: m.expiry(name), State: m.attribute(name, "state"),
	}
}

func (m *mounted) expiry(name string) string {
	if text := m.attribute(name, "expires"); text != "never" {
		return text
	}
	return ""
}

func printFiles(c *cli.Context, files []listed) error {
	w := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SIGNED\tSIZE\tSIGNER\tNAME")
	for _, f := range files {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", f.SignedAt.Format(time.DateTime), f.Size, short(f.Signer), f.Name)
	}
	return w.Flush()
}

// short keeps as much of a key as tells keys apart at a glance.
func short(key string) string {
	if len(key) > 12 {
		return key[:12] + "…"
	}
	return key
}
