package main

import (
	"encoding/base64"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func fileCommand() *cli.Command {
	return &cli.Command{
		Name:        "file",
		Usage:       "sign, publish, revert, delete, check and list files",
		Subcommands: fileCommands(),
	}
}

func signCommand() *cli.Command {
	return &cli.Command{
		Name:      "sign",
		Usage:     "write FILE.sig, the detached signature of FILE",
		ArgsUsage: "FILE",
		Description: `The signature says that the key's owner wants FILE's content to be seen as
NAME everywhere, as of now. Copying FILE and FILE.sig into a mount publishes
them; the last one to be signed wins. minisign checks the signature too.

FILE.sig is replaced when it exists. Its path is printed.

Exit codes: 0 done, 1 failed, 2 wrong command line.`,
		Flags:  append(signFlags(), &cli.StringFlag{Name: "timestamp", Usage: "sign as of `TIME`: RFC 3339 or unix seconds", DefaultText: "now"}),
		Action: signFile,
	}
}

func signFlags() []cli.Flag {
	return []cli.Flag{
		keyFlag(),
		nameFlag(),
		namespaceFlag(),
		ttlFlag(),
		certFlag(),
		networkFlag(),
		passphraseFlag(),
	}
}

func certFlag() cli.Flag {
	return &cli.StringFlag{Name: "cert", TakesFile: true, Usage: "put the certificate in `FILE` behind the signature: for a name in a namespace, signed by another member's key than the node's"}
}

// seal signs, and appends the certificate of --cert.
func seal(c *cli.Context, signer *trust.Signer, content []byte, st trust.Statement) ([]byte, error) {
	signature, err := signer.Sign(trust.DigestOf(content), st)
	if err != nil || c.String("cert") == "" {
		return signature, err
	}
	chain, err := readChain(c.String("cert"))
	if err != nil {
		return nil, err
	}
	if chain.Key() != signer.Public().Key {
		return nil, fail(exitFailed, "give the certificate for --key", "--cert %s is for another key, %s", c.String("cert"), chain.Key())
	}
	return append(signature, chain.PEM()...), nil
}

func keyFlag() cli.Flag {
	return &cli.StringFlag{Name: "key", Aliases: []string{"k"}, Usage: "sign with the private key in `FILE` (PEM, minisign or OpenSSH)", TakesFile: true}
}

func ttlFlag() cli.Flag {
	return &cli.DurationFlag{Name: "ttl", Usage: "the file vanishes `TIME` after it was signed, for example 36h", DefaultText: "never"}
}

// ttlOf is the lifetime that the command line wants, 0 for none.
func ttlOf(c *cli.Context) (time.Duration, error) {
	ttl := c.Duration("ttl")
	if c.IsSet("ttl") && ttl <= 0 {
		return 0, usagef("for example --ttl 36h; leave it out for a file that stays", "--ttl %v is no lifetime", ttl)
	}
	return ttl, nil
}

func nameFlag() cli.Flag {
	return &cli.StringFlag{Name: "name", Usage: "the file's whole `NAME` in the network, for example dns/cnames", DefaultText: "the last part of FILE's path"}
}

func namespaceFlag() cli.Flag {
	return &cli.StringFlag{Name: "namespace", Usage: "the name is `NS`/KEY, KEY being the public half of --key, or with --name NS/KEY/NAME", DefaultText: "none"}
}

func networkFlag() cli.Flag {
	return &cli.StringFlag{Name: "network-id", Usage: "the network's `KEY`, or a file that holds it", DefaultText: "none"}
}

// nameOf is the name in the network of the file that the command is about.
func nameOf(c *cli.Context) (trust.Name, error) {
	text := c.String("name")
	if text == "" {
		text = filepath.Base(c.Args().First())
	}
	name, err := trust.ParseName(text)
	if err != nil {
		return name, fail(exitUsage, "", "%w", err)
	}
	return name, nil
}

// signedName is nameOf for what the signer publishes, perhaps as a member.
func signedName(c *cli.Context, signer *trust.Signer) (trust.Name, error) {
	namespace := c.String("namespace")
	if namespace == "" {
		return nameOf(c)
	}
	key := signer.Public().Key
	text := namespace + "/" + base64.RawURLEncoding.EncodeToString(key[:])
	if c.String("name") != "" {
		text += "/" + c.String("name")
	}
	name, err := trust.ParseName(text)
	if err != nil {
		return name, fail(exitUsage, "", "--namespace %s: %w", namespace, err)
	}
	return name, nil
}

func networkOf(c *cli.Context) (trust.Key, error) {
	text := c.String("network-id")
	if text == "" {
		return trust.Key{}, nil
	}
	key, err := trust.ReadKey(text)
	if err != nil {
		return trust.Key{}, fail(exitUsage, "", "--network-id: %w", err)
	}
	return key.Key, nil
}

func signFile(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	file := c.Args().First()
	signer, err := readSigner(c)
	if err != nil {
		return err
	}
	st, err := statement(c, signer)
	if err != nil {
		return err
	}
	content, err := readContent(file)
	if err != nil {
		return err
	}
	signature, err := seal(c, signer, content, st)
	if err != nil {
		return err
	}
	if err := replaceFile(file+".sig", signature, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.App.Writer, file+".sig")
	return err
}

// statement is what the command line wants to be signed.
func statement(c *cli.Context, signer *trust.Signer) (st trust.Statement, err error) {
	if st.Name, err = signedName(c, signer); err != nil {
		return st, err
	}
	if st.Network, err = networkOf(c); err != nil {
		return st, err
	}
	if st.TTL, err = ttlOf(c); err != nil {
		return st, err
	}
	st.Version = trust.VersionAt(time.Now())
	if text := c.String("timestamp"); text != "" {
		st.Version, err = parseTimestamp(text)
	}
	return st, err
}

// parseTimestamp reads RFC 3339 or unix seconds with up to nine decimals.
func parseTimestamp(text string) (trust.Version, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Unix() > 0 && at.Year() < 2262 {
		return trust.VersionAt(at), nil
	}
	whole, decimals, _ := strings.Cut(text, ".")
	seconds, err1 := strconv.ParseUint(whole, 10, 63)
	nanos, err2 := strconv.ParseUint((decimals + "000000000")[:max(9, len(decimals))], 10, 63)
	if err1 != nil || err2 != nil || len(decimals) > 9 || seconds >= math.MaxInt64/uint64(time.Second) || seconds+nanos == 0 {
		return 0, usagef("for example 2026-11-23T12:00:00Z or 1795435200.5", "--timestamp %q is no time", text)
	}
	return trust.Version(seconds*uint64(time.Second) + nanos), nil
}

// readContent reads what is to be signed or verified, within the limit.
func readContent(path string) ([]byte, error) {
	content, err := readBounded(path, trust.MaxContent)
	if err != nil {
		return nil, fail(exitFailed, "", "%w", err)
	}
	return content, nil
}
