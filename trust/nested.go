package trust

import "strings"

// Package toml takes a time that grows with the square of the depth, and worse. A travelling policy
// needs a depth of two: what goes deeper is refused before it is parsed.
const (
	maxDepth = 4  // open brackets
	maxDots  = 16 // dots outside of strings on one line: those between the parts of a key
)

// nested reports whether TOML is nested too deeply, and the line. It knows strings and comments,
// as brackets and dots in them mean nothing.
func nested(text string) (line int, deep bool) {
	line = 1
	depth, dots := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			line, dots = line+1, 0
		case '#':
			i += len(upTo(text[i:], "\n")) - 1
		case '"', '\'':
			s := quoted(text[i:])
			line += strings.Count(s, "\n")
			i += len(s) - 1
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '.':
			dots++
		}
		if depth > maxDepth || dots > maxDots {
			return line, true
		}
	}
	return line, false
}

// upTo returns the text before the end, or all of it.
func upTo(text, end string) string {
	before, _, _ := strings.Cut(text, end)
	return before
}

// quoted returns the string of TOML that the text begins with. One that does not end where it should
// ends with its line: the parser refuses it there.
func quoted(text string) string {
	mark := text[:1]
	if strings.HasPrefix(text, strings.Repeat(mark, 3)) {
		return long(text, mark)
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && mark == `"`:
			i++
		case text[i] == '\n':
			return text[:i]
		case text[i] == mark[0]:
			return text[:i+1]
		}
	}
	return text
}

// long does the same for a string between three marks, at whose end two more may belong to it.
func long(text, mark string) string {
	for i := 3; i < len(text); i++ {
		switch {
		case text[i] == '\\' && mark == `"`:
			i++
		case strings.HasPrefix(text[i:], strings.Repeat(mark, 3)):
			for i += 3; i < len(text) && text[i] == mark[0]; {
				i++
			}
			return text[:i]
		}
	}
	return text
}
