package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func showCertificateCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "print what the certificates in FILE say, without judging them",
		ArgsUsage: "FILE",
		Description: `--json prints a list of objects, the member's certificate first: name, key,
serial, issuer, not_before, not_after, authority.

Exit codes: 0 done, 1 failed, 2 wrong command line.`,
		Flags:  []cli.Flag{jsonFlag()},
		Action: showCertificate,
	}
}

// certificate is the JSON form of one certificate.
type certificate struct {
	Name      string    `json:"name"`
	Key       string    `json:"key"`    // raw base64
	Serial    string    `json:"serial"` // hex, as [revoked] takes it
	Issuer    string    `json:"issuer"` // as the certificate names it
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"` // the first moment at which it is over
	Authority bool      `json:"authority"`
}

func showCertificate(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	chain, err := readChain(c.Args().First())
	if err != nil {
		return err
	}
	certificates, err := describeChain(chain)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c, certificates)
	}
	for i, x := range certificates {
		if i > 0 {
			fmt.Fprintln(c.App.Writer)
		}
		printCertificate(c, x)
	}
	return nil
}

func describeChain(chain trust.Chain) (all []certificate, err error) {
	parsed, err := x509.ParseCertificates(chain.DER())
	if err != nil {
		return nil, err
	}
	for _, x := range parsed {
		d := certificate{
			Name: x.Subject.CommonName, Serial: fmt.Sprintf("%x", x.SerialNumber.Bytes()), Issuer: x.Issuer.CommonName,
			NotBefore: x.NotBefore.UTC(), NotAfter: x.NotAfter.UTC(), Authority: x.IsCA,
		}
		if key, ok := x.PublicKey.(ed25519.PublicKey); ok {
			d.Key = trust.Key(key).String()
		}
		all = append(all, d)
	}
	return all, nil
}

func printCertificate(c *cli.Context, x certificate) {
	w := c.App.Writer
	label := "member"
	if x.Authority {
		label = "authority"
	}
	say(w, label, "%s", x.Name)
	say(w, "key", "%s", x.Key)
	say(w, "serial", "%s", x.Serial)
	say(w, "issuer", "%s", x.Issuer)
	say(w, "valid from", "%s", x.NotBefore.Format(time.RFC3339))
	say(w, "until", "%s", x.NotAfter.Format(time.RFC3339))
}

func verifyCertificateCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check that the certificate in FILE makes its holder a member",
		ArgsUsage: "FILE",
		Description: `The network comes from --network, else from the configuration, whose authorities
and revocations then count too. --json prints an object: name, key, serial,
not_before, not_after.

Exit codes: 0 the certificate is valid, 1 failed, 2 wrong command line or
configuration, 3 the certificate was refused.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "network", Usage: "the network's `ID`, or a file that holds it", DefaultText: "the configuration's"},
			configFlag(), jsonFlag(),
		},
		Action: verifyCertificate,
	}
}

// membership is the JSON form of a valid certificate.
type membership struct {
	Name      string    `json:"name"`
	Key       string    `json:"key"`        // raw base64
	Serial    string    `json:"serial"`     // hex
	NotBefore time.Time `json:"not_before"` // of the whole chain, as is
	NotAfter  time.Time `json:"not_after"`
}

func verifyCertificate(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	policy, err := networkPolicy(c)
	if err != nil {
		return err
	}
	chain, err := readChain(c.Args().First())
	if err != nil {
		return err
	}
	member, err := policy.VerifyMember(chain, time.Now())
	if err != nil {
		return fail(exitRefused, "", "%s: %w", c.Args().First(), err)
	}
	m := membership{member.Name, member.Key.String(), member.Serial, member.NotBefore.UTC(), member.NotAfter.UTC()}
	if c.Bool("json") {
		return writeJSON(c, m)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s is a member until %s, with the key %s\n", m.Name, m.NotAfter.Format(time.RFC3339), m.Key)
	return err
}

// networkPolicy is the policy that members are judged by.
func networkPolicy(c *cli.Context) (*trust.Policy, error) {
	if text := c.String("network"); text != "" {
		key, err := trust.ReadKey(text)
		if err != nil {
			return nil, fail(exitUsage, "", "--network: %w", err)
		}
		return trust.NewPolicy(trust.Rules{Network: key.Key})
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	if !cfg.HasNetwork() {
		return nil, usagef("name it with --network ID", "%s has no network", cfg.Path)
	}
	return cfg.Policy, nil
}
