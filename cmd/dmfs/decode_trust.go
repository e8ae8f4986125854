package main

import (
	"sort"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"dmfs/trust"
)

// A rule is one entry of the configuration that the policy is made of. It knows
// its place, since only all of them together show what is wrong with one.
type rule struct {
	path []string
	text string // of one element of a list, else empty
	add  func(*trust.Rules)
}

func (d *document) rule(add func(*trust.Rules), text string, path ...string) {
	d.rules = append(d.rules, rule{path, text, add})
}

// namespaces reads where each member may publish.
func (d *document) namespaces(*Config) error {
	namespaces, err := d.strings("network", "namespaces")
	for _, ns := range namespaces {
		d.rule(func(r *trust.Rules) { r.Namespaces = append(r.Namespaces, ns) }, ns, "network", "namespaces")
	}
	return err
}

// authorities reads the certificates that those of members may lack.
func (d *document) authorities(*Config) error {
	path := []string{"cluster", "certificate_authorities"}
	texts, err := d.strings(path...)
	if err != nil {
		return err
	}
	for _, text := range texts {
		var chain trust.Chain
		if strings.Contains(text, "-----BEGIN") {
			chain, err = trust.ParseChain([]byte(text))
		} else {
			chain, err = readChain(d.file(text))
		}
		if err != nil {
			return d.refuse(d.lineOf(text, path...), "give the path of a certificate in PEM", "%s: %w", toml.Key(path), err)
		}
		d.rule(func(r *trust.Rules) { r.Authorities = append(r.Authorities, chain) }, text, path...)
	}
	return nil
}

// clocks reads how far clocks may be apart.
func (d *document) clocks(c *Config) (err error) {
	if c.Rules.ClockSkew, err = d.span(0, time.Second, 24*time.Hour, "cluster", "clock_skew"); err != nil {
		return err
	}
	c.Rules.MaxFuture, err = d.span(0, time.Second, 10*365*24*time.Hour, "cluster", "max_future")
	return err
}

// signersOfPolicy reads who may sign the policy that travels.
func (d *document) signersOfPolicy(*Config) error {
	return d.keys(func(r *trust.Rules, k trust.PublicKey) { r.PolicySigners = append(r.PolicySigners, k) }, "policy", "signers")
}

// revoked reads what proves nothing any more.
func (d *document) revoked(*Config) error {
	err := d.keys(func(r *trust.Rules, k trust.PublicKey) { r.RevokedKeys = append(r.RevokedKeys, k.Key) }, "revoked", "keys")
	if err != nil {
		return err
	}
	serials, err := d.strings("revoked", "certificates")
	for _, s := range serials {
		d.rule(func(r *trust.Rules) { r.RevokedCertificates = append(r.RevokedCertificates, s) }, s, "revoked", "certificates")
	}
	return err
}

// keys reads a list of public keys.
func (d *document) keys(add func(*trust.Rules, trust.PublicKey), path ...string) error {
	texts, err := d.strings(path...)
	if err != nil {
		return err
	}
	for _, text := range texts {
		key, err := d.key(text, path...)
		if err != nil {
			return err
		}
		d.rule(func(r *trust.Rules) { add(r, key) }, text, path...)
	}
	return nil
}

// bounds reads [bounds]: for each name the versions that it may have.
func (d *document) bounds(*Config) error {
	for _, key := range d.md.Keys() {
		if len(key) != 2 || key[0] != "bounds" {
			continue
		}
		name, err := trust.ParseName(key[1])
		if err != nil {
			return d.refuse(d.line(key...), "", "%w", err)
		}
		var b trust.Bounds
		if b.NotBefore, err = d.moment(append(key, "not_before")...); err != nil {
			return err
		}
		if b.NotAfter, err = d.moment(append(key, "not_after")...); err != nil {
			return err
		}
		if b == (trust.Bounds{}) {
			return d.refuse(d.line(key...), momentHint, "the bounds of %s are empty", name)
		}
		d.rule(func(r *trust.Rules) { r.Bounds[name] = b }, "", key...)
	}
	return nil
}

const momentHint = `for example "config.json" = { not_after = "2026-12-31T00:00:00Z" }`

// moment reads RFC 3339, in quotes or as TOML's own; 0 when there is none.
func (d *document) moment(path ...string) (trust.Version, error) {
	value, ok := d.value(path...)
	if !ok {
		return 0, nil
	}
	var text string
	var at time.Time
	err := d.md.PrimitiveDecode(value, &text)
	if err == nil {
		at, err = time.Parse(time.RFC3339Nano, text)
	} else {
		err = d.md.PrimitiveDecode(value, &at)
	}
	// Package toml marks a moment without a zone by the name of its zone.
	local := at.Location() != nil && strings.HasSuffix(at.Location().String(), "-local")
	if err != nil || local || at.Unix() <= 0 || at.Year() > 2261 {
		return 0, d.refuse(d.line(path...), momentHint, "%s is not a moment with its time zone", toml.Key(path))
	}
	return trust.VersionAt(at), nil
}

// policy makes the policy; when the rules contradict each other it looks for
// the first that does.
func (d *document) policy(c *Config) (err error) {
	rules := d.compose(c, len(d.rules))
	if len(rules.Files)+len(rules.Namespaces)+len(rules.PolicySigners) == 0 {
		return d.refuse(d.line("files"), `add [files] and a line "config.json" = [ "KEY" ]`, "no file is declared")
	}
	if c.Policy, err = trust.NewPolicy(rules); err == nil {
		c.Rules = rules
		return nil
	}
	first := sort.Search(len(d.rules), func(i int) bool {
		_, err := trust.NewPolicy(d.compose(c, i+1))
		return err != nil
	})
	wrong := d.rules[min(first, len(d.rules)-1)]
	return d.refuse(d.lineOf(wrong.text, wrong.path...), "", "%w", err)
}

// compose returns the rules with the first n entries in force.
func (d *document) compose(c *Config, n int) trust.Rules {
	r := c.Rules
	r.Files, r.Bounds = map[trust.Name][]trust.PublicKey{}, map[trust.Name]trust.Bounds{}
	for _, rule := range d.rules[:n] {
		rule.add(&r)
	}
	return r
}
