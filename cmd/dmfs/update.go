//go:build linux

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func updateCommand() *cli.Command {
	return &cli.Command{
		Name:      "update",
		Usage:     "sign FILE and copy it with its signature into the mount",
		ArgsUsage: "FILE",
		Description: `The new version is later than the one in place, even when this clock is
behind. The network id is the node's own. When the command returns, this node
holds the version durably and shows it; the others follow.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 the
node refused the file, 4 no node is mounted there.`,
		Flags:  append(signFlags(), mountFlags()...),
		Action: updateFile,
	}
}

func updateFile(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	signer, err := readSigner(c)
	if err != nil {
		return err
	}
	name, err := signedName(c, signer)
	if err != nil {
		return err
	}
	m, err := findMount(c)
	if err != nil {
		return err
	}
	content, err := readContent(c.Args().First())
	if err != nil {
		return err
	}
	ttl, err := ttlOf(c)
	if err != nil {
		return err
	}
	return supersede(c, signer, m, content, trust.Statement{Name: name, TTL: ttl})
}

// supersede publishes content as the next version and says so.
func supersede(c *cli.Context, signer *trust.Signer, m *mounted, content []byte, st trust.Statement) error {
	signature, version, err := signLater(c, signer, m, content, st)
	if err != nil {
		return err
	}
	if err := m.publish(st.Name, content, signature); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s is published as of %s\n", st.Name, formatVersion(version))
	return err
}

// signLater signs the statement about content, for the network of m and as the
// version after the one that m has.
func signLater(c *cli.Context, signer *trust.Signer, m *mounted, content []byte, st trust.Statement) ([]byte, trust.Version, error) {
	var err error
	if st.Network, err = networkOf(c); err != nil {
		return nil, 0, err
	}
	if st.Network == (trust.Key{}) && m.page.Network != "" {
		key, err := trust.ParseKey(m.page.Network)
		if err != nil {
			return nil, 0, err
		}
		st.Network = key.Key
	}
	st.Version = max(trust.VersionAt(time.Now()), m.version(st.Name)+1)
	signature, err := seal(c, signer, content, st)
	return signature, st.Version, err
}

// version is that of the file in place, or of what hides it now, 0 when there
// is nothing. The signed time of a file is its modification time.
func (m *mounted) version(name trust.Name) trust.Version {
	info, err := os.Stat(filepath.Join(m.dir, name.String()))
	if err == nil {
		return trust.VersionAt(info.ModTime())
	}
	if f, ok, err := m.file(name); err == nil && ok && f.SignedAt != nil {
		return trust.VersionAt(*f.SignedAt)
	}
	return 0
}

// publish does what `mkdir -p` and `cp FILE FILE.sig MOUNT` do, and says why that
// failed.
func (m *mounted) publish(name trust.Name, content, signature []byte) error {
	started, path := time.Now(), filepath.Join(m.dir, name.String())
	if err := os.MkdirAll(filepath.Dir(path), 0o777); errors.Is(err, syscall.EPERM) {
		return m.explain(name, syscall.ENOENT, started)
	}
	err := copyInto(path, content)
	if err == nil {
		err = copyInto(filepath.Join(m.dir, name.Signature()), signature)
	}
	if err == nil {
		return nil
	}
	return m.explain(name, err, started)
}

// copyInto writes one half of a file. What counts is close, which gives the
// verdict.
func copyInto(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// explain turns the errno of a refused copy into the node's own sentence.
func (m *mounted) explain(name trust.Name, err error, since time.Time) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	code := exitFailed
	if isRefusal(err) {
		code = exitRefused
	}
	if r, ok := m.refusal(name.String(), since); ok {
		return fail(code, r.Hint, "%s was refused: %s (%s)", name, r.sentence(), describe(errno))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitRefused, "declare it in [files] on every node", "%s was refused: no entry for it (%s)", name, describe(errno))
	}
	return fail(code, "", "%s was not published: %w", name, err)
}

// describe is errno as cp prints it.
func describe(errno syscall.Errno) string {
	s := errno.Error()
	return string(s[0]-'a'+'A') + s[1:]
}
