package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:  "man",
		Usage: "print the manual page dmfs(1)",
		Description: `In the form that man(1) reads. It says what the help of all commands says:

  dmfs man > /usr/local/share/man/man1/dmfs.1

Exit codes: 0 done, 2 wrong command line.`,
		Action: func(c *cli.Context) error {
			if err := takes(c, 0, 0); err != nil {
				return err
			}
			_, err := io.WriteString(c.App.Writer, page1(c.App))
			return err
		},
	}
}

// page1 is the manual page of app, in roff with the macros of man(7).
func page1(app *cli.App) string {
	var r roff
	r.line(`.TH DMFS 1 "" "dmfs %s" "User Commands"`, escape(app.Version))
	r.line(".SH NAME")
	r.line(`%s \- %s`, app.Name, escape(app.Usage))
	r.line(".SH SYNOPSIS")
	r.line(`\fB%s\fR \fICOMMAND\fR [\fIoption\fR ...] [\fIargument\fR ...]`, app.Name)
	r.line(".SH DESCRIPTION")
	r.text(app.Description)
	r.line(".SH COMMANDS")
	r.commands(app.Name, app.Commands)
	r.line(".SH CONFIGURATION")
	r.text("Read from /etc/dmfs/dmfs.toml as root, else from $XDG_CONFIG_HOME/dmfs/dmfs.toml; or\nfrom -c FILE, or DMFS_CONFIG. These are all keys, as \"dmfs config keys\" prints them.")
	r.verbatim(documented)
	return r.String()
}

// roff is a page as it grows.
type roff struct{ strings.Builder }

func (r *roff) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

func (r *roff) commands(above string, commands []*cli.Command) {
	for _, c := range commands {
		path := above + " " + c.Name
		if c.Hidden {
			continue
		}
		if len(c.Subcommands) > 0 {
			r.commands(path, c.Subcommands)
			continue
		}
		r.line(".SS %s", escape(strings.TrimSpace(path+" "+c.ArgsUsage)))
		r.text(sentence(c.Usage) + "\n\n" + c.Description)
		r.options(c.VisibleFlags())
	}
}

// sentence makes one of what is an item elsewhere.
func sentence(usage string) string {
	return strings.ToUpper(usage[:1]) + usage[1:] + "."
}

// text sets paragraphs.
func (r *roff) text(text string) {
	for i, p := range paragraphs(text) {
		if i > 0 {
			r.line(".PP")
		}
		if p.verbatim {
			r.verbatim(p.text)
		} else {
			r.line("%s", escape(p.text))
		}
	}
}

// verbatim keeps the lines of a text.
func (r *roff) verbatim(text string) {
	r.line(".nf")
	r.line("%s", escape(strings.TrimSuffix(text, "\n")))
	r.line(".fi")
}

func (r *roff) options(flags []cli.Flag) {
	for _, f := range flags {
		if isHelp(f) {
			continue
		}
		option, usage := explain(f)
		r.line(".TP")
		r.line(`\fB%s\fR`, escape(option))
		r.line("%s", escape(sentence(everywhere(usage))))
	}
}

// everywhere says of the defaults that depend on who asks how they do.
func everywhere(usage string) string {
	for _, place := range []struct{ here, root, other string }{
		{defaultConfigPath(), "/etc/dmfs/dmfs.toml", "$XDG_CONFIG_HOME/dmfs/dmfs.toml"},
		{defaultMountpoint(), "/run/data-mesher", "$XDG_RUNTIME_DIR/data-mesher"},
		{defaultStateDir(), "/var/lib/dmfs", "$XDG_STATE_HOME/dmfs"},
	} {
		if place.here != "" {
			usage = strings.ReplaceAll(usage, place.here+")", place.root+" as root, else "+place.other+")")
		}
	}
	return usage
}

// escape keeps roff from reading more into a text than it says.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
