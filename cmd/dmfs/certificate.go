package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func certificateCommand() *cli.Command {
	return &cli.Command{
		Name:        "certificate",
		Usage:       "make, show and check the certificates of a network's members",
		Subcommands: []*cli.Command{certifyCommand(), showCertificateCommand(), verifyCertificateCommand()},
	}
}

// defaultValidity is 90 days: long enough for a renewal by hand.
const defaultValidity = 90 * 24 * time.Hour

func certifyCommand() *cli.Command {
	return &cli.Command{
		Name:  "sign",
		Usage: "make the holder of an identity key a member of the network",
		Description: `Writes an X.509 certificate as PEM, as openssl reads it too: the network's key
says that the identity key belongs to the member NAME. Renewal is the same
command with the same identity key; FILE is replaced when it exists.

With --authority the holder may issue certificates in the network's name, and is
no member. He gives his own key as --network-key, and his certificate as
--issuer, which is written behind the new one.

Exit codes: 0 done, 1 failed, 2 wrong command line.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "the member's `NAME`"},
			&cli.StringFlag{Name: "network-key", TakesFile: true, Usage: "sign with the private key in `FILE`, the network's or the issuer's"},
			&cli.StringFlag{Name: "identity-key", TakesFile: true, Usage: "the member's public `KEY`, or a file that holds it"},
			&cli.DurationFlag{Name: "validity", Usage: "valid for `TIME` from now on", Value: defaultValidity, DefaultText: "2160h, or as long as the issuer's"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, TakesFile: true, Usage: "write the certificate to `FILE`"},
			&cli.BoolFlag{Name: "authority", Usage: "let the holder issue certificates"},
			&cli.StringFlag{Name: "issuer", TakesFile: true, Usage: "the certificate of who signs is in `FILE`", DefaultText: "the network's key needs none"},
			passphraseFlag(),
		},
		Action: certify,
	}
}

func certify(c *cli.Context) error {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	if err := needs(c, "name", "network-key", "identity-key", "output"); err != nil {
		return err
	}
	spec, err := certificateSpec(c, time.Now())
	if err != nil {
		return err
	}
	issuer, err := issuerOf(c)
	if err != nil {
		return err
	}
	if !c.IsSet("validity") {
		if spec.NotAfter, err = notAfter(spec.NotAfter, issuer); err != nil {
			return err
		}
	}
	signer, err := trust.ReadSigner(c.String("network-key"), passphrase(c))
	if err != nil {
		return fmt.Errorf("--network-key %s: %w", c.String("network-key"), err)
	}
	chain, err := signer.Certify(spec, issuer)
	if err != nil {
		return err
	}
	if err := replaceFile(c.String("output"), chain.PEM(), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.App.Writer, c.String("output"))
	return err
}

// needs refuses a command line without one of these options.
func needs(c *cli.Context, options ...string) error {
	for _, name := range options {
		if c.String(name) == "" {
			return usagef("run: "+helpFor(c), "--%s is missing", name)
		}
	}
	return nil
}

// certificateSpec is what the command line wants a certificate to say.
func certificateSpec(c *cli.Context, now time.Time) (trust.CertificateSpec, error) {
	key, err := trust.ReadKey(c.String("identity-key"))
	if err != nil {
		return trust.CertificateSpec{}, fail(exitUsage, "", "--identity-key: %w", err)
	}
	validity := c.Duration("validity")
	if validity < time.Second {
		return trust.CertificateSpec{}, usagef("for example --validity 2160h", "--validity %v is no usable duration", validity)
	}
	from := now.UTC().Truncate(time.Second)
	return trust.CertificateSpec{
		Name: c.String("name"), Key: key.Key, Authority: c.Bool("authority"),
		NotBefore: from, NotAfter: from.Add(validity.Truncate(time.Second)),
	}, nil
}

func issuerOf(c *cli.Context) (trust.Chain, error) {
	if path := c.String("issuer"); path != "" {
		return readChain(path)
	}
	return trust.Chain{}, nil
}

// notAfter is the earlier one of end and the issuer's, which nothing that he
// issues may outlive.
func notAfter(end time.Time, issuer trust.Chain) (time.Time, error) {
	if issuer.IsZero() {
		return end, nil
	}
	certificates, err := describeChain(issuer)
	if err == nil && certificates[0].NotAfter.Before(end) {
		end = certificates[0].NotAfter
	}
	return end, err
}

// maxChainText bounds the file of a certificate, in bytes.
const maxChainText = 16 << 10

func readChain(path string) (trust.Chain, error) {
	text, err := readBounded(path, maxChainText)
	if err != nil {
		return trust.Chain{}, err
	}
	chain, err := trust.ParseChain(text)
	if err != nil {
		return chain, fmt.Errorf("%s: %w", path, err)
	}
	return chain, nil
}
