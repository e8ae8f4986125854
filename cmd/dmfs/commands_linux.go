package main

import "github.com/urfave/cli/v2"

func commands() []*cli.Command {
	return []*cli.Command{
		mountCommand(), initCommand(), demoCommand(), generateCommand(), peerCommand(), certificateCommand(),
		fileCommand(), statusCommand(), peersCommand(), watchCommand(), doctorCommand(), restartCommand(), configCommand(),
		manCommand(), completionCommand(),
		versionCommand(), courierCommand(),
	}
}

func fileCommands() []*cli.Command {
	return []*cli.Command{signCommand(), updateCommand(), revertCommand(), deleteCommand(), verifyCommand(), listCommand(), waitCommand()}
}
