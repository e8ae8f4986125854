package main

import (
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"
)

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what has a shell complete the commands of dmfs",
		ArgsUsage: "bash|zsh|fish",
		Description: `For this session: source <(dmfs completion bash), the same with zsh, and
dmfs completion fish | source. For ever, print it to
/usr/share/bash-completion/completions/dmfs, to _dmfs in a directory of zsh's
$fpath, or to ~/.config/fish/completions/dmfs.fish.

What is printed knows all commands and options, and runs no dmfs to complete.

Exit codes: 0 done, 2 wrong command line.`,
		Action: complete,
	}
}

func complete(c *cli.Context) error {
	if err := takes(c, 1, 1); err != nil {
		return err
	}
	script := completions.Lookup(c.Args().First())
	if script == nil {
		return usagef("one of: bash, zsh, fish", "no completion for the shell %q", c.Args().First())
	}
	return script.Execute(c.App.Writer, completable("", c.App.Commands, c.App.VisibleFlags()))
}

// A point is where somebody is in a command line: behind the words of a command.
type point struct {
	At      string // " file sign"; "" behind dmfs itself
	Words   []word // that may come next
	IsGroup bool   // one of them must
}

// A word is a command, or an option with its dashes.
type word struct {
	Text, Usage string
	Takes       bool // a value
}

// completable lists the points at and below a command, the one itself first.
func completable(at string, commands []*cli.Command, flags []cli.Flag) []point {
	here := point{At: at, IsGroup: len(commands) > 0}
	var below []point
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		here.Words = append(here.Words, word{Text: c.Name, Usage: c.Usage})
		below = append(below, completable(at+" "+c.Name, c.Subcommands, c.VisibleFlags())...)
	}
	options := map[string]word{"--help": {Text: "--help", Usage: "show help"}}
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if !ok || isHelp(f) {
			continue
		}
		for _, name := range f.Names() {
			text := dashed(name)
			options[text] = word{text, strings.ReplaceAll(d.GetUsage(), "`", ""), d.TakesValue()}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(options)) {
		here.Words = append(here.Words, options[text])
	}
	return append([]point{here}, below...)
}

// isHelp tells apart what cli gives to every command.
func isHelp(f cli.Flag) bool { return f.Names()[0] == cli.HelpFlag.Names()[0] }

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// quote makes a text one word of a shell, whatever is in it.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// Each script walks along the words that it knows, and offers those of the point
// where it comes out; else files. The spelling of a point begins with a space, so
// that one word more is always the point, a space and the word.
var completions = template.Must(template.New("").Funcs(template.FuncMap{
	"quote":     quote,
	"described": func(w word) string { return quote(strings.ReplaceAll(w.Text, ":", `\:`) + ":" + w.Usage) },
	"short":     func(w word) bool { return !strings.HasPrefix(w.Text, "--") && strings.HasPrefix(w.Text, "-") },
	"long":      func(w word) bool { return strings.HasPrefix(w.Text, "--") },
	"bare":      func(w word) string { return strings.TrimLeft(w.Text, "-") },
}).Parse(`
{{- define "known"}}{{range $i, $p := .}}{{if $i}}{{if gt $i 1}} | {{end}}{{quote $p.At}}{{end}}{{end}}{{end}}

{{- define "bash" -}}
# dmfs completion bash
_dmfs() {
  local at='' words='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at ${COMP_WORDS[i]}" in
      {{template "known" .}}) at+=" ${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at" in
{{- range .}}
    {{quote .At}}) words='{{range .Words}}{{.Text}} {{end}}' ;;
{{- end}}
  esac
  while IFS= read -r i; do
    COMPREPLY+=("$i")
  done < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _dmfs dmfs
{{end}}

{{- define "zsh" -}}
#compdef dmfs
_dmfs() {
  local at='' word
  local -a offer
  for word in "${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      ({{template "known" .}}) at+=" $word" ;;
    esac
  done
  case "$at" in
{{- range .}}
    ({{quote .At}}) offer=({{range .Words}}{{described .}} {{end}}) ;;
{{- end}}
  esac
  _describe dmfs offer || _files
}
if [[ $funcstack[1] == _dmfs ]]; then
  _dmfs "$@"
else
  compdef _dmfs dmfs
fi
{{end}}

{{- define "fish" -}}
# dmfs completion fish
function __dmfs_at
    set -l at ''
    set -l words (commandline -opc)
    for word in $words[2..]
        switch "$at $word"
            case {{range $i, $p := .}}{{if $i}}{{quote $p.At}} {{end}}{{end}}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
{{- range $p := .}}{{range .Words}}
complete -c dmfs -n "__dmfs_at '{{$p.At}}'" {{if $p.IsGroup}}-f {{end -}}
{{if long .}}-l {{bare .}}{{else if short .}}-s {{bare .}}{{else}}-a {{.Text}}{{end}}{{if .Takes}} -r -F{{end}} -d {{quote .Usage}}
{{- end}}{{end}}
{{end}}`))
