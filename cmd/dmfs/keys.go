package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"dmfs/replica"
	"dmfs/trust"
)

func peerCommand() *cli.Command {
	return &cli.Command{
		Name:  "peer",
		Usage: "work with the ids of nodes",
		Subcommands: []*cli.Command{{
			Name:      "id",
			Usage:     "print a key's peer id, for bootstrap_peers of other nodes",
			ArgsUsage: "FILE",
			Description: `FILE holds a public or a private key, in any form that dmfs reads.

Exit codes: 0 done, 1 failed, 2 wrong command line.`,
			Flags:  []cli.Flag{passphraseFlag()},
			Action: peerID,
		}},
	}
}

func peerID(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	key, err := readEitherKey(c.Args().First(), passphrase(c))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.App.Writer, replica.PeerID(key))
	return err
}

// readEitherKey reads the public key of the file at path, which may hold the
// private one.
func readEitherKey(path string, passphrase func() ([]byte, error)) (trust.Key, error) {
	text, err := readBounded(path, 16<<10)
	if err != nil {
		return trust.Key{}, err
	}
	public, err := trust.ParseKey(string(text))
	if err == nil {
		return public.Key, nil
	}
	signer, secretErr := trust.ParseSigner(text, passphrase)
	switch {
	case secretErr == nil:
		return signer.Public().Key, nil
	case bytes.Contains(text, []byte("PRIVATE KEY")) || bytes.Contains(text, []byte("secret key")):
		err = secretErr
	}
	return trust.Key{}, fmt.Errorf("%s: %w", path, err)
}

func passphraseFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "passphrase-file", TakesFile: true,
		Usage: "read the private key's passphrase from `FILE` instead of asking for it",
	}
}

// passphrase is how a command comes by the passphrase of a private key: from a
// file or from the terminal, never from its arguments, which others can see.
func passphrase(c *cli.Context) func() ([]byte, error) {
	file := c.String("passphrase-file")
	if file == "" {
		return func() ([]byte, error) { return askPassphrase(c) }
	}
	return func() ([]byte, error) {
		text, err := readBounded(file, 4<<10)
		return bytes.TrimRight(text, "\r\n"), err
	}
}

func askPassphrase(c *cli.Context) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fail(exitFailed, "use --passphrase-file FILE", "the private key needs a passphrase and there is no terminal to ask at")
	}
	defer tty.Close()
	fmt.Fprint(c.App.ErrWriter, "passphrase of the private key: ")
	defer fmt.Fprintln(c.App.ErrWriter)
	return term.ReadPassword(int(tty.Fd()))
}

// readSigner reads the private key of --key.
func readSigner(c *cli.Context) (*trust.Signer, error) {
	path := c.String("key")
	if path == "" {
		return nil, usagef("make one with: dmfs generate signing-key; then give --key FILE", "--key is missing")
	}
	signer, err := trust.ReadSigner(path, passphrase(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitFailed, "make one with: dmfs generate signing-key", "no private key at %s", path)
	}
	if err != nil {
		return nil, fmt.Errorf("--key %s: %w", path, err)
	}
	return signer, nil
}

// identity reads the node's own key, and makes it on first start.
func identity(path string) (*trust.Signer, error) {
	signer, err := trust.ReadSigner(path, noPassphrase)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	if signer, err = trust.GenerateSigner(); err != nil {
		return nil, err
	}
	return signer, createFile(path, signer.MarshalPEM(), 0o600)
}

func noPassphrase() ([]byte, error) {
	return nil, fail(exitUsage, "a node starts without anybody at hand: use a key without passphrase", "the identity key needs a passphrase")
}
