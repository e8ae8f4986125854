//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

// A setup is what init is going to write.
type setup struct {
	Config, Name, Network    string
	StateDir, Mountpoint     string
	Listen, Signers, Peers   []string
	network, admin, identity *trust.Signer // nil: somebody else's

	files []setupFile
}

type setupFile struct {
	path string
	text []byte
	mode os.FileMode
}

func newSetup(c *cli.Context) (*setup, error) {
	s := &setup{
		Config: either(c.String("config"), defaultConfigPath()), Name: c.String("name"), Network: c.String("network"),
		StateDir: either(c.String("state-dir"), defaultStateDir()), Mountpoint: either(c.String("mountpoint"), defaultMountpoint()),
		Listen: c.StringSlice("listen"), Signers: c.StringSlice("policy-signer"), Peers: c.StringSlice("peer"),
	}
	if s.Config == "" || s.StateDir == "" || s.Mountpoint == "" {
		return nil, usagef("give -c FILE, --state-dir DIR and --mountpoint DIR", "there is no default place for the node, as HOME is not set")
	}
	for _, path := range []*string{&s.Config, &s.StateDir, &s.Mountpoint} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
		*path = abs
	}
	if err := s.invent(); err != nil {
		return nil, err
	}
	return s, s.render()
}

// invent makes the name and the keys that nobody gave.
func (s *setup) invent() (err error) {
	if s.Name == "" {
		if s.Name, err = os.Hostname(); err != nil {
			return fail(exitFailed, "give --name NAME", "%w", err)
		}
	}
	if s.identity, err = s.makeKey(filepath.Join(s.StateDir, "identity.key")); err != nil || s.Network != "" {
		return err
	}
	beside := filepath.Dir(s.Config)
	if s.network, err = s.makeKey(filepath.Join(beside, "network.key")); err != nil {
		return err
	}
	if s.admin, err = s.makeKey(filepath.Join(beside, "admin.key")); err != nil {
		return err
	}
	s.Network = s.network.Public().Key.String()
	s.Signers = append(s.Signers, s.admin.Public().Key.String())
	return s.certify()
}

// makeKey makes a key and notes that it is to be written.
func (s *setup) makeKey(path string) (*trust.Signer, error) {
	signer, err := trust.GenerateSigner()
	if err == nil {
		s.files = append(s.files, setupFile{path, signer.MarshalPEM(), 0o600})
	}
	return signer, err
}

// certify makes the first node a member.
func (s *setup) certify() error {
	now := time.Now()
	chain, err := s.network.Certify(trust.CertificateSpec{
		Name: s.Name, Key: s.identity.Public().Key, NotBefore: now, NotAfter: now.Add(defaultValidity),
	}, trust.Chain{})
	if err != nil {
		return fail(exitUsage, "give --name NAME", "%w", err)
	}
	s.files = append(s.files, setupFile{s.certificate(), chain.PEM(), 0o644})
	return nil
}

func (s *setup) certificate() string { return filepath.Join(s.StateDir, "identity.crt") }

var setupConfig = template.Must(template.New("").Funcs(template.FuncMap{"list": tomlList}).Parse(
	`mountpoint = {{printf "%q" .Mountpoint}}
state_dir = {{printf "%q" .StateDir}}

[cluster]
{{- if .Listen}}
listen = {{list .Listen}}
{{- end}}
bootstrap_peers = {{list .Peers}}

[network]
id = {{printf "%q" .Network}}
namespaces = [ "facts" ]
{{- if .Signers}}

[policy]
signers = {{list .Signers}}

[files]
"motd" = {{list .Signers}}
{{- end}}
`))

func tomlList(texts []string) string {
	if len(texts) == 0 {
		return "[]"
	}
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = fmt.Sprintf("%q", text)
	}
	return "[ " + strings.Join(quoted, ", ") + " ]"
}

// render makes the configuration and has it read like any other.
func (s *setup) render() error {
	var text bytes.Buffer
	if err := setupConfig.Execute(&text, s); err != nil {
		return err
	}
	d, err := parseDocument(s.Config, text.String())
	if err == nil {
		_, err = d.config()
	}
	if err != nil {
		return err
	}
	s.files = append(s.files, setupFile{s.Config, text.Bytes(), 0o644})
	return nil
}

// write writes all, or nothing when one of the files exists.
func (s *setup) write() error {
	for _, f := range s.files {
		if _, err := os.Lstat(f.path); err == nil {
			return fail(exitExists, "this machine may be set up already: dmfs doctor; else move the file away", "%s exists; nothing was written", f.path)
		}
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.Config), 0o755), os.MkdirAll(s.StateDir, 0o700)); err != nil {
		return err
	}
	for i, f := range s.files {
		if err := createFile(f.path, f.text, f.mode); err != nil {
			for _, made := range s.files[:i] {
				err = errors.Join(err, os.Remove(made.path))
			}
			return err
		}
	}
	return nil
}
