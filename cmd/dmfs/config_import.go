package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"

	"dmfs/trust"
)

func configImportCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "translate a configuration of Data Mesher v2",
		ArgsUsage: "DM.TOML",
		Description: `Prints a configuration of dmfs: log_level, port, interfaces, peers, identity key,
interval, network, files and namespaces as they were, public keys in one form, and
paths made absolute. What dmfs does not take over is a comment at the end, with the
reason, and a warning on standard error; nothing else is left out. Keys that are
files are read, so run it where they are:

  dmfs config import /etc/data-mesher/dm.toml > /etc/dmfs/dmfs.toml

Exit codes: 0 done, with or without warnings; 1 failed; 2 wrong command line, or
DM.TOML is one that dmfs cannot follow; nothing was printed.`,
		Action: importConfig,
	}
}

func importConfig(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	old, err := readDocument(c.Args().First())
	if err != nil {
		return err
	}
	i, err := newImport(old)
	if err != nil {
		return err
	}
	text, err := i.render()
	if err != nil {
		return err
	}
	for _, l := range i.losses {
		fmt.Fprintf(c.App.ErrWriter, "warning: %s:%d: %s: %s\n", old.path, l.line, l.key, l.why)
	}
	_, err = c.App.Writer.Write(text)
	return err
}

// imported is the part of a configuration that Data Mesher has, too.
type imported struct {
	LogLevel string `toml:"log_level,omitempty"`
	Cluster  struct {
		Listen       []string `toml:"listen,omitempty"`
		Interfaces   []string `toml:"interfaces,omitempty"`
		Bootstrap    []string `toml:"bootstrap_peers,omitempty"`
		IdentityKey  string   `toml:"identity_key,omitempty"`
		SyncInterval string   `toml:"push_pull_interval,omitempty"`
	} `toml:"cluster,omitempty"`
	Network struct {
		ID         string   `toml:"id,omitempty"`
		Namespaces []string `toml:"namespaces,omitempty"`
	} `toml:"network,omitempty"`
	Files map[string][]string `toml:"files,omitempty"`
}

// An importation is a configuration of Data Mesher on its way to one of dmfs.
type importation struct {
	imported

	old    *document
	taken  map[string]bool // keys of old that are in imported
	losses []loss          // what is not, in the order of old
}

func newImport(old *document) (*importation, error) {
	i := &importation{old: old, taken: map[string]bool{}}
	i.Files = map[string][]string{}
	for _, step := range []func() error{i.words, i.network, i.listen, i.files} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	i.rest()
	return i, nil
}

func (i *importation) take(path ...string) []string {
	i.taken[toml.Key(path).String()] = true
	return path
}

// words takes what means the same in both.
func (i *importation) words() (err error) {
	for _, word := range []struct {
		into *string
		path []string
	}{
		{&i.LogLevel, i.take("log_level")},
		{&i.Cluster.SyncInterval, i.take("cluster", "push_pull_interval")},
		{&i.Cluster.IdentityKey, i.take("cluster", "identity_key")},
	} {
		if *word.into, err = i.old.string(word.path...); err != nil {
			return err
		}
	}
	i.Cluster.IdentityKey = i.old.file(i.Cluster.IdentityKey)
	i.Cluster.Bootstrap, err = i.old.strings(i.take("cluster", "bootstrap_peers")...)
	return err
}

// listen has dmfs listen at the port, for QUIC too, on the same interfaces. Without a network it would let
// anybody read what is there, so that only the loopback is left.
func (i *importation) listen() error {
	port := int64(7946)
	if err := i.old.decode(&port, "a number", i.take("cluster", "port")); err != nil {
		return err
	}
	interfaces, err := i.old.strings(i.take("cluster", "interfaces")...)
	if err != nil {
		return err
	}
	hosts := []string{"/ip4/0.0.0.0", "/ip6/::"}
	if i.Network.ID == "" {
		hosts = []string{"/ip4/127.0.0.1", "/ip6/::1"}
		i.taken["cluster.interfaces"] = slices.Equal(interfaces, []string{"lo"})
	} else {
		i.Cluster.Interfaces = interfaces
	}
	for _, host := range hosts {
		i.Cluster.Listen = append(i.Cluster.Listen, fmt.Sprintf("%s/udp/%d/quic-v1", host, port), fmt.Sprintf("%s/tcp/%d", host, port))
	}
	return nil
}

func (i *importation) network() error {
	id, err := i.old.string(i.take("network", "id")...)
	if err != nil {
		return err
	}
	if i.Network.ID, err = i.key(id, "network", "id"); err != nil {
		return err
	}
	i.Network.Namespaces, err = i.old.strings(i.take("network", "namespaces")...)
	return err
}

// files takes network.files, and the top-level table that came before it.
func (i *importation) files() error {
	for _, path := range i.old.md.Keys() {
		name, ok := fileName(path)
		if !ok {
			continue
		}
		if _, err := trust.ParseName(name); err != nil {
			return i.old.refuse(i.old.line(path...), hintOf(err), "%w", err)
		}
		texts, err := i.old.strings(i.take(path...)...)
		if err != nil {
			return err
		}
		for _, text := range texts {
			key, err := i.key(text, path...)
			if err != nil {
				return err
			}
			i.Files[name] = append(i.Files[name], key)
		}
	}
	return nil
}

// fileName is the name that a key of a configuration of Data Mesher is about.
func fileName(path toml.Key) (string, bool) {
	switch {
	case len(path) == 2 && path[0] == "files":
		return path[1], true
	case len(path) == 3 && path[0] == "network" && path[1] == "files":
		return path[2], true
	}
	return "", false
}

// key is a public key in base64; that of a file, too, unless it is empty.
func (i *importation) key(text string, path ...string) (string, error) {
	if text == "" {
		return "", nil
	}
	key, err := i.old.key(text, path...)
	return key.Key.String(), err
}

// render prints the configuration, once dmfs has read it like any other.
func (i *importation) render() ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "# From %q.\n", i.old.path)
	encoder := toml.NewEncoder(&text)
	encoder.Indent = ""
	if err := encoder.Encode(i.imported); err != nil {
		return nil, err
	}
	i.comment(&text)
	d, err := parseDocument(filepath.Join(i.old.dir, "dmfs.toml"), text.String())
	if err == nil {
		_, err = d.config()
	}
	if err != nil {
		return nil, fail(exitUsage, hintOf(err), "of %s dmfs would not take: %w", i.old.path, err)
	}
	return text.Bytes(), nil
}

func (i *importation) comment(w io.Writer) {
	if len(i.losses) > 0 {
		fmt.Fprint(w, "\n# Not taken over:\n")
	}
	for _, l := range i.losses {
		fmt.Fprintf(w, "# %s%s\n#   %s\n", l.key, l.value, l.why)
	}
}
