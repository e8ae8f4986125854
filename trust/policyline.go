package trust

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// refuse is a Refusal of what stands at the value.
func (t *policyText) refuse(value toml.Primitive, format string, args ...any) *Refusal {
	return atLine(t.line(value), refuse(ErrMalformed, format, args...))
}

// blame gives an error its line: that of the value, or of its element with this text.
func (t *policyText) blame(value toml.Primitive, element string, err error) error {
	line := t.line(value)
	if i := slices.IndexFunc(strings.Split(t.text, "\n")[line-1:], func(s string) bool { return strings.Contains(s, element) }); i >= 0 {
		line += i
	}
	return atLine(line, err)
}

// line is the line of the value's key.
func (t *policyText) line(value toml.Primitive) int {
	err := t.md.PrimitiveDecode(value, new(position))
	if parse, ok := errors.AsType[toml.ParseError](err); ok && parse.Position.Line > 0 {
		return parse.Position.Line
	}
	var rows map[string]toml.Primitive
	if t.md.PrimitiveDecode(value, &rows) == nil && len(rows) > 0 { // a dotted key made it, and has the line
		return t.line(rows[slices.Min(slices.Collect(maps.Keys(rows)))])
	}
	return 1
}

// position is decoded from anything, never successfully: package toml tells an Unmarshaler's error
// where it happened, and nobody else.
type position struct{}

// UnmarshalTOML fails.
func (*position) UnmarshalTOML(any) error { return errors.New("position") }

// syntaxError turns an error of package toml into a Refusal.
func syntaxError(err error) *Refusal {
	parse, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return atLine(1, refuse(ErrMalformed, "%s", plain(err.Error())))
	}
	return atLine(max(1, parse.Position.Line), refuse(ErrMalformed, "%s", plain(parse.Message)))
}

// plain keeps what a message quotes from hiding anything, and short.
func plain(s string) string {
	const most = 200
	text := fmt.Sprintf("%+q", s)
	if text = text[1 : len(text)-1]; len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// atLine puts a line of the travelling policy before an error, which it turns into a fault of it.
func atLine(line int, err error) *Refusal {
	r := &Refusal{Err: ErrMalformed, Detail: fmt.Sprintf("%s:%d: %v", PolicyName, line, err)}
	if cause, ok := errors.AsType[*Refusal](err); ok {
		r.Hint = cause.Hint
	}
	return r
}
