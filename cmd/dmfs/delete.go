//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "delete",
		Usage:     "delete the file NAME everywhere, by a signature that says so",
		ArgsUsage: "NAME",
		Description: `Writes a signed tombstone as NAME.sig into the mount. It is later than the
version in place, even when this clock is behind, and hides every older one for
ever, also those of nodes that are away. A later version brings NAME back. When
the command returns, the file is gone here; the others follow.

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 the
node refused the tombstone, 4 no node is mounted there.`,
		Flags:  append([]cli.Flag{keyFlag(), certFlag(), networkFlag(), passphraseFlag()}, mountFlags()...),
		Action: deleteFile,
	}
}

func deleteFile(c *cli.Context) error {
	name, m, err := nameInMount(c)
	if err != nil {
		return err
	}
	signer, err := readSigner(c)
	if err != nil {
		return err
	}
	signature, version, err := signLater(c, signer, m, nil, trust.Statement{Name: name, Deleted: true})
	if err != nil {
		return err
	}
	started := time.Now()
	if err := copyInto(filepath.Join(m.dir, name.Signature()), signature); err != nil {
		return m.explain(name, err, started)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s is deleted as of %s\n", name, formatVersion(version))
	return err
}
