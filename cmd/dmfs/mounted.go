//go:build linux

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

// mounted is a mount as its users see it: commands that talk to a node read
// and write files in it, like everybody else.
type mounted struct {
	dir  string
	page page
}

func mountFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "mount", Aliases: []string{"m"}, TakesFile: true, Usage: "the node is mounted at `DIR`", DefaultText: "the configuration's, else " + defaultMountpoint()},
		configFlag(),
	}
}

// findMount opens the mount that --mount, the configuration or the default
// name, in this order.
func findMount(c *cli.Context) (*mounted, error) {
	dir, err := mountDir(c)
	if err != nil {
		return nil, err
	}
	m := &mounted{dir: dir}
	return m, m.refresh()
}

// nameInMount is findMount for a command with one argument, the name of a file.
func nameInMount(c *cli.Context) (trust.Name, *mounted, error) {
	if err := takes(c, 1, 1); err != nil {
		return trust.Name{}, nil, err
	}
	name, err := trust.ParseName(c.Args().First())
	if err != nil {
		return name, nil, fail(exitUsage, "", "%w", err)
	}
	m, err := findMount(c)
	return name, m, err
}

func mountDir(c *cli.Context) (string, error) {
	if dir := c.String("mount"); dir != "" {
		return dir, nil
	}
	cfg, err := findConfig(c)
	if err != nil {
		return "", err
	}
	dir := defaultMountpoint()
	if cfg != nil {
		dir = cfg.Mountpoint
	}
	if dir == "" {
		return "", usagef("name it with --mount DIR or -c FILE", "the mountpoint is not known")
	}
	return dir, nil
}

// refresh reads the status page again.
func (m *mounted) refresh() error {
	m.page = page{}
	return m.read("status.json", &m.page)
}

// files reads what the node says of each name.
func (m *mounted) files() ([]listed, error) {
	list, err := m.fileList()
	return list.Files, err
}

func (m *mounted) fileList() (list fileList, err error) { return list, m.read("files.json", &list) }

// file finds what the node says of a name.
func (m *mounted) file(name trust.Name) (listed, bool, error) {
	files, err := m.files()
	for _, f := range files {
		if f.Name == name.String() {
			return f, true, err
		}
	}
	return listed{}, false, err
}

// read reads one page of .dmfs.
func (m *mounted) read(name string, into any) error {
	f, err := os.Open(filepath.Join(m.dir, ".dmfs", name))
	if err != nil {
		return m.absent(err)
	}
	defer f.Close()
	if err := decodePage(f, into); err != nil {
		return m.absent(err)
	}
	return nil
}

func (m *mounted) absent(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fail(exitNoMount, "a mount made by an ordinary user is for that user alone", "cannot look at %s: %w", m.dir, err)
	}
	return fail(exitNoMount, "start one with: dmfs mount -c FILE "+m.dir+"; or name another with --mount DIR",
		"no node is mounted at %s", m.dir)
}

// refusal is why the node refused name last, if it did after since.
func (m *mounted) refusal(name string, since time.Time) (pageRefused, bool) {
	if m.refresh() != nil {
		return pageRefused{}, false
	}
	for _, r := range m.page.Refused {
		if r.Name == name && !r.At.Before(since) {
			return r, true
		}
	}
	return pageRefused{}, false
}

// refusalErrnos are what a file can be refused with.
var refusalErrnos = []syscall.Errno{
	syscall.EINVAL, syscall.EFBIG, syscall.EBADMSG, syscall.EKEYREJECTED, syscall.ENOKEY,
	syscall.EACCES, syscall.EKEYREVOKED, syscall.EKEYEXPIRED, syscall.ESTALE, syscall.ERANGE, syscall.EDQUOT,
}

// isRefusal says whether err is a verdict on a file rather than trouble.
func isRefusal(err error) bool {
	for _, errno := range refusalErrnos {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
