//go:build linux

package main

import (
	"github.com/urfave/cli/v2"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "set up this machine as the first, or another, node of a network",
		Description: `Alone it makes a network: its key, network.key; a key that signs files and the
policy, admin.key; this node's identity and certificate; and a configuration. Then
it prints what to run on the next machine, which is "dmfs init" with --network.
Keys are written beside the configuration. Nodes do not need network.key: keep it
where nobody else gets at it.

With --network it makes an identity and a configuration, and prints what to run
where the network's key is. --dry-run writes nothing and prints the configuration.

Exit codes: 0 done, 1 failed, 2 wrong command line, 5 one of the files exists;
nothing was written.`,
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "name", Usage: "this machine is the member `NAME`", DefaultText: "the host's name"},
			&cli.StringFlag{Name: "state-dir", TakesFile: true, Usage: "keep the node's state in `DIR`", DefaultText: defaultStateDir()},
			&cli.StringFlag{Name: "mountpoint", TakesFile: true, Usage: "mount at `DIR`", DefaultText: defaultMountpoint()},
			&cli.StringSliceFlag{Name: "listen", Usage: "listen on `ADDR`, a multiaddr", DefaultText: "port 7946 of every IPv4 address"},
			&cli.StringFlag{Name: "network", Usage: "join the network whose id is `KEY`"},
			&cli.StringSliceFlag{Name: "policy-signer", Usage: "`KEY` signs policy.toml and motd"},
			&cli.StringSliceFlag{Name: "peer", Usage: "meet the node at `ADDR` first, a multiaddr with /p2p/ID"},
			&cli.BoolFlag{Name: "dry-run", Usage: "only print the configuration"},
		},
		Action: runInit,
	}
}

func runInit(c *cli.Context) error {
	if err := takes(c, 0, 0); err != nil {
		return err
	}
	s, err := newSetup(c)
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		_, err := c.App.Writer.Write(s.files[len(s.files)-1].text)
		return err
	}
	if err := s.write(); err != nil {
		return err
	}
	return s.explain(c.App.Writer)
}
