package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func generateCommand() *cli.Command {
	return &cli.Command{
		Name:  "generate",
		Usage: "make keys",
		Subcommands: []*cli.Command{
			generateKeyCommand("signing-key", "make the key that signs files",
				"The public key is printed in the form that [files] of the configuration takes."),
			generateKeyCommand("identity-key", "make the key that a node is known by",
				"The public key is printed: dmfs certificate sign takes it as --identity-key."),
			generateKeyCommand("network", "make the key of a network, which makes nodes its members",
				"The public key, which is the network's id, is printed in the form that id in\n"+
					"[network] of the configuration takes."),
		},
	}
}

func generateKeyCommand(name, usage, printed string) *cli.Command {
	return &cli.Command{
		Name:  name,
		Usage: usage,
		Description: `Writes an ED25519 key pair as PEM, which openssl reads too: the private key
with mode 0600, the public key with mode 0644. It never overwrites a file.
` + printed + `

Exit codes: 0 done, 1 failed, 2 wrong command line, 5 one of the files exists;
nothing was written.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "private-key-path", Usage: "write the private key to `FILE`", TakesFile: true},
			&cli.StringFlag{Name: "public-key-path", Usage: "write the public key to `FILE`", TakesFile: true},
		},
		Action: generateKey,
	}
}

func generateKey(c *cli.Context) error {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	private, public := c.String("private-key-path"), c.String("public-key-path")
	if private == "" || public == "" {
		return usagef(c.Command.HelpName+" --private-key-path my.key --public-key-path my.pub", "--private-key-path and --public-key-path are both needed")
	}
	signer, err := trust.GenerateSigner()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(public); err == nil {
		return keyExists(public)
	}
	if err := createFile(private, signer.MarshalPEM(), 0o600); err != nil {
		return err
	}
	if err := createFile(public, signer.Public().Key.MarshalPEM(), 0o644); err != nil {
		return errors.Join(err, os.Remove(private))
	}
	_, err = fmt.Fprintln(c.App.Writer, signer.Public().Key)
	return err
}

// createFile writes a file that must not exist yet, whole or not at all.
func createFile(path string, content []byte, mode os.FileMode) error {
	temporary, err := writeTemporary(path, content, mode)
	if err != nil {
		return err
	}
	err = os.Link(temporary, path)
	if rm := os.Remove(temporary); err == nil {
		return rm
	}
	if errors.Is(err, fs.ErrExist) {
		return keyExists(path)
	}
	return err
}

func keyExists(path string) error {
	return fail(exitExists, "choose another path, or move the old key away", "%s exists; nothing was written", path)
}
