package main

import (
	"fmt"
	"io"
	"strings"
)

// say prints one line of a report, folded to 80 columns where it has spaces.
func say(w io.Writer, label, format string, args ...any) {
	const indent, width = 12, 80
	line := fmt.Sprintf("%-*s", indent-1, label)
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		if len(line) > indent && len(line)+1+len(word) > width {
			fmt.Fprintln(w, line)
			line = strings.Repeat(" ", indent-1)
		}
		line += " " + word
	}
	fmt.Fprintln(w, line)
}

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
