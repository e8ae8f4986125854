package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// say prints one line of a report, folded to 80 columns where it has spaces.
func say(w io.Writer, label, format string, args ...any) {
	fold(w, fmt.Sprintf("%-12s", label), format, args...)
}

// fold prints a line behind a prefix, and below that what is beyond 80 columns.
func fold(w io.Writer, prefix, format string, args ...any) {
	const width = 80
	indent := utf8.RuneCountInString(prefix)
	line, columns := prefix, indent
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		length := utf8.RuneCountInString(word)
		switch {
		case columns == indent:
		case columns+1+length > width:
			fmt.Fprintln(w, line)
			line, columns = strings.Repeat(" ", indent), indent
		default:
			line, columns = line+" ", columns+1
		}
		line, columns = line+word, columns+length
	}
	fmt.Fprintln(w, line)
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
