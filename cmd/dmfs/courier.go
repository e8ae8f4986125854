//go:build linux

package main

import (
	"github.com/urfave/cli/v2"

	"dmfs/fs"
)

// courierCommand is for the node's own use: see package fs.
func courierCommand() *cli.Command {
	return &cli.Command{
		Name: "courier", Hidden: true, Usage: "carry deliveries for a node, which starts it",
		Action: func(*cli.Context) error { return fs.RunCourier() },
	}
}
