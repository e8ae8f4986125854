//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// helperName is what mount(8) calls for `mount -t dmfs`: this program under
// another name.
const helperName = "mount.dmfs"

// Exit codes of mount(8), and so of its helpers.
const (
	mountUsage  = 1
	mountSystem = 2
	mountUser   = 8
	mountFailed = 32
)

const helperManual = `mount.dmfs runs a dmfs node in the background and returns when it is mounted.
mount(8) calls it for: mount -t dmfs CONFIG DIR

usage: mount.dmfs CONFIG DIR [-fnsv] [-o OPTION,...]

  CONFIG  the configuration file; its mountpoint is not used
  -f      check the command line, mount nothing
  -s      ignore options that are unknown
  -v      say what is done
  -n      accepted: there is no /etc/mtab to write
  -o      those of "dmfs mount", and log=PATH for a log file (else: syslog)

umount DIR ends the node. Exit codes: 0 mounted, 1 wrong command line or
configuration, 2 out of resources, 8 interrupted, 32 not mounted.
`

// helperCall is the command line of a mount helper.
type helperCall struct {
	config, dir                 string
	fake, sloppy, verbose, help bool
	log                         string
	options                     []string
}

// runHelper mounts as mount.dmfs, and returns the exit code.
func runHelper(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	call, err := parseHelper(args)
	switch {
	case err != nil:
		return mountCode(printError(stderr, err))
	case call.help:
		fmt.Fprint(stdout, helperManual)
		return exitOK
	case call.fake:
		return exitOK
	}
	if call.verbose {
		fmt.Fprintf(stdout, "dmfs mount %s\n", strings.Join(call.command(), " "))
	}
	code := call.mount(ctx, stderr)
	if code == exitOK && call.verbose {
		fmt.Fprintf(stdout, "mounted at %s\n", call.dir)
	}
	return code
}

func mountCode(code int) int {
	switch code {
	case exitOK:
		return exitOK
	case exitUsage:
		return mountUsage
	}
	return mountFailed
}

func parseHelper(args []string) (*helperCall, error) {
	c := &helperCall{log: "syslog"}
	var words []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		if arg == "--help" || arg == "-h" {
			return &helperCall{help: true}, nil
		}
		used, err := c.flags(arg[1:], args[i+1:])
		if err != nil {
			return nil, err
		}
		i += used
	}
	if len(words) != 2 {
		return nil, usagef("mount -t dmfs CONFIG DIR", "mount.dmfs takes a configuration file and a directory, not %q", words)
	}
	return c, c.place(words[0], words[1])
}

// flags takes a word of flags such as "vo". It returns how many of the next
// words belong to it.
func (c *helperCall) flags(letters string, next []string) (used int, err error) {
	for i, letter := range letters {
		switch letter {
		case 'f':
			c.fake = true
		case 's':
			c.sloppy = true
		case 'v':
			c.verbose = true
		case 'n':
		case 'o', 't':
			value := letters[i+1:]
			if value == "" {
				if len(next) == 0 {
					return 0, usagef("run: mount.dmfs --help", "-%c has no value", letter)
				}
				value, used = next[0], 1
			}
			if letter == 'o' {
				c.options = append(c.options, strings.Split(value, ",")...)
			}
			return used, nil
		default:
			return 0, usagef("run: mount.dmfs --help", "unknown flag -%c", letter)
		}
	}
	return 0, nil
}

// place makes everything independent of the working directory, in which no
// node may stay, and checks what can be checked at once.
func (c *helperCall) place(config, dir string) (err error) {
	if c.config, err = filepath.Abs(config); err != nil {
		return err
	}
	if c.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	c.options = slices.DeleteFunc(c.options, func(option string) bool {
		if path, ok := strings.CutPrefix(option, "log="); ok {
			c.log = path
			return true
		}
		err := new(MountOptions).apply([]string{option})
		return err != nil && c.sloppy
	})
	return new(MountOptions).apply(c.options)
}

// command is what the node is started with.
func (c *helperCall) command() []string {
	args := []string{"-c", c.config, "--log", c.log}
	if len(c.options) > 0 {
		args = append(args, "-o", strings.Join(c.options, ","))
	}
	return append(args, c.dir)
}

// mount starts the node and waits until it is mounted or has ended.
func (c *helperCall) mount(ctx context.Context, stderr io.Writer) int {
	said, err := memoryFile()
	if err != nil {
		fmt.Fprintln(stderr, "dmfs:", err)
		return mountSystem
	}
	defer said.Close()
	ready, node, err := c.start(said)
	if err != nil {
		fmt.Fprintln(stderr, "dmfs: cannot start the node:", err)
		return mountSystem
	}
	defer ready.Close()
	stop := context.AfterFunc(ctx, func() { _ = node.Process.Signal(syscall.SIGTERM) }) //nolint:errcheck // it may have ended
	defer stop()
	if n, _ := ready.Read(make([]byte, 1)); n == 1 {
		return exitOK
	}
	return c.explain(ctx, node.Wait(), said, stderr)
}

// start runs the node in a session of its own. What it says while it has no log
// goes to said: a terminal or a pipe of whoever mounts must not be held open.
func (c *helperCall) start(said *os.File) (ready *os.File, node *exec.Cmd, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	node = exec.Command(exe, append([]string{"mount"}, c.command()...)...)
	node.Args[0] = "dmfs"
	node.Dir, node.Stderr = "/", said
	node.ExtraFiles = []*os.File{theirs}
	node.Env = append(os.Environ(), readyVariable+"=3")
	node.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := node.Start(); err != nil {
		return nil, nil, errors.Join(err, ready.Close())
	}
	return ready, node, nil
}

// explain prints why the node ended.
func (c *helperCall) explain(ctx context.Context, ended error, said *os.File, stderr io.Writer) int {
	text, err := io.ReadAll(io.NewSectionReader(said, 0, 64<<10))
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		text = fmt.Appendf(nil, "dmfs: the node ended before it was mounted: %v\n", ended)
	}
	if ctx.Err() != nil {
		return mountUser
	}
	fmt.Fprint(stderr, string(text))
	if exit, ok := errors.AsType[*exec.ExitError](ended); ok {
		return mountCode(exit.ExitCode())
	}
	return mountFailed
}

// memoryFile is a file without a name, gone with its last descriptor.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("dmfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for the node's messages: %w", err)
	}
	return os.NewFile(uintptr(fd), "messages"), nil
}
