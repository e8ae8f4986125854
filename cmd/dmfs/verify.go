package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check FILE and its signature as a node would",
		ArgsUsage: "FILE [FILE.sig]",
		Description: `The keys that may have signed come from --key, else from [files] of the
configuration, which must name the file.

Exit codes: 0 the signature is valid, 1 failed, 2 wrong command line or
configuration, 3 the signature was refused.`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "key", Aliases: []string{"k"}, Usage: "accept the public `KEY`: text or file, in any form; may be repeated"},
			configFlag(), nameFlag(), networkFlag(), jsonFlag(),
		},
		Action: verifyFile,
	}
}

// verified is the JSON form of a valid signature.
type verified struct {
	Name     string     `json:"name"`
	Signer   string     `json:"signer"` // raw base64
	SignedAt time.Time  `json:"signed_at"`
	Expires  *time.Time `json:"expires,omitempty"`
	Digest   string     `json:"digest"` // BLAKE2b-512, hex
	Size     int        `json:"size"`   // bytes
}

func verifyFile(c *cli.Context) error {
	if err := takes(c, 1, 2); err != nil {
		return err
	}
	name, err := nameOf(c)
	if err != nil {
		return err
	}
	policy, err := policyOf(c, name)
	if err != nil {
		return err
	}
	claim, size, err := readClaim(c, name)
	if err != nil {
		return err
	}
	record, err := policy.Verify(claim, time.Now())
	if err != nil {
		return fail(exitRefused, "", "%w", err)
	}
	return printVerified(c, record, size)
}

func readClaim(c *cli.Context, name trust.Name) (trust.Claim, int, error) {
	path, sigPath := c.Args().Get(0), c.Args().Get(1)
	if sigPath == "" {
		sigPath = path + ".sig"
	}
	content, err := readContent(path)
	if err != nil {
		return trust.Claim{}, 0, err
	}
	signature, err := readBounded(sigPath, trust.MaxSignature)
	if err != nil {
		return trust.Claim{}, 0, err
	}
	return trust.NewClaim(name, signature, content), len(content), nil
}

// policyOf is the policy that name is judged by.
func policyOf(c *cli.Context, name trust.Name) (*trust.Policy, error) {
	texts := c.StringSlice("key")
	if len(texts) == 0 {
		cfg, err := loadConfig(c)
		if err != nil {
			return nil, err
		}
		return cfg.Policy, nil
	}
	network, err := networkOf(c)
	if err != nil {
		return nil, err
	}
	rules := trust.Rules{Network: network, Files: map[trust.Name][]trust.PublicKey{}}
	for _, text := range texts {
		key, err := trust.ReadKey(text)
		if err != nil {
			return nil, fail(exitUsage, "", "--key: %w", err)
		}
		rules.Files[name] = append(rules.Files[name], key)
	}
	return trust.NewPolicy(rules)
}

func printVerified(c *cli.Context, r trust.Record, size int) error {
	v := verified{
		Name: r.Name().String(), Signer: r.Signer().String(), SignedAt: r.Version().Time().UTC(),
		Digest: r.Digest().String(), Size: size,
	}
	if at, ok := r.Expires(); ok {
		v.Expires = moment(at)
	}
	if c.Bool("json") {
		return writeJSON(c, v)
	}
	end := ""
	if v.Expires != nil {
		end = ", until " + v.Expires.Format(time.RFC3339Nano)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s is valid: signed %s by %s%s\n", v.Name, v.SignedAt.Format(time.RFC3339Nano), v.Signer, end)
	return err
}

func moment(t time.Time) *time.Time {
	t = t.UTC()
	return &t
}
