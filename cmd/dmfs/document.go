package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxConfig bounds a configuration file, in bytes.
const maxConfig = 4 << 20

// document is a TOML text that knows the line of everything in it, so that
// whatever turns out to be wrong later can still be refused with its place.
type document struct {
	path string // as the user wrote it
	dir  string // relative paths in the text start here
	text string
	md   toml.MetaData
	top  map[string]toml.Primitive
	rows map[string]map[string]toml.Primitive // of the tables below, by path, once they were asked for

	rules []rule // what the policy is to be made of
}

func readDocument(path string) (*document, error) {
	text, err := readBounded(path, maxConfig)
	if err != nil {
		return nil, fail(exitUsage, "", "cannot read the configuration: %w", err)
	}
	return parseDocument(path, string(text))
}

// parseDocument is readDocument for a text that may not be at path yet.
func parseDocument(path, text string) (*document, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &document{path: path, dir: filepath.Dir(abs), text: text}
	if d.md, err = toml.Decode(d.text, &d.top); err != nil {
		return nil, d.syntaxError(err)
	}
	return d, nil
}

func (d *document) syntaxError(err error) error {
	parse, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return d.refuse(1, "", "%v", err)
	}
	hint := "names and keys stand in double quotes: \"config.json\" = [ \"KEY\" ]"
	if strings.Contains(parse.Message, "already been defined") || strings.Contains(parse.Message, "already defined") {
		hint = "write every key once"
	}
	return d.refuse(parse.Position.Line, hint, "%s", parse.Message)
}

// refuse is the error for something wrong at line.
func (d *document) refuse(line int, hint, format string, args ...any) error {
	return usagef(hint, "%s:%d: %w", d.path, line, fmt.Errorf(format, args...))
}

// line finds where the key at path stands, for instance "cluster", "listen".
func (d *document) line(path ...string) int {
	value, ok := d.value(path...)
	if !ok {
		return 1
	}
	err := d.md.PrimitiveDecode(value, new(position))
	if parse, ok := errors.AsType[toml.ParseError](err); ok && parse.Position.Line > 0 {
		return parse.Position.Line
	}
	return d.lineBelow(path)
}

// lineBelow is the line of the first key below path: a table that only dotted
// keys make has no line of its own.
func (d *document) lineBelow(path []string) int {
	for _, key := range d.md.Keys() {
		if len(key) > len(path) && toml.Key(path).String() == key[:len(path)].String() {
			return d.line(key...)
		}
	}
	return 1
}

// lineOf is line for one element of a list: the first line from the key on
// that holds the text.
func (d *document) lineOf(element string, path ...string) int {
	first := d.line(path...)
	lines := strings.Split(d.text, "\n")
	for i := first - 1; i < len(lines); i++ {
		if element != "" && strings.Contains(lines[i], element) {
			return i + 1
		}
	}
	return first
}

// position is decoded from anything, never successfully: package toml adds the
// position of the key to the error of an Unmarshaler, and to nothing else.
type position struct{}

// UnmarshalTOML fails.
func (*position) UnmarshalTOML(any) error { return errors.New("position") }

func (d *document) value(path ...string) (toml.Primitive, bool) {
	value, ok := d.top[path[0]]
	for i, key := range path[1:] {
		if !ok {
			return value, false
		}
		value, ok = d.table(value, path[:i+1])[key]
	}
	return value, ok
}

// table decodes a table once, however many of its keys are asked for. What is
// no table has no rows.
func (d *document) table(value toml.Primitive, path []string) map[string]toml.Primitive {
	name := toml.Key(path).String()
	rows, ok := d.rows[name]
	if ok {
		return rows
	}
	if d.md.PrimitiveDecode(value, &rows) != nil {
		rows = nil
	}
	if d.rows == nil {
		d.rows = map[string]map[string]toml.Primitive{}
	}
	d.rows[name] = rows
	return rows
}

// string decodes the string at path, "" when there is none.
func (d *document) string(path ...string) (string, error) {
	var s string
	return s, d.decode(&s, `a string: "..."`, path)
}

// strings decodes the list of strings at path, nil when there is none.
func (d *document) strings(path ...string) ([]string, error) {
	var s []string
	return s, d.decode(&s, `a list of strings: [ "..." ]`, path)
}

func (d *document) decode(into any, want string, path []string) error {
	value, ok := d.value(path...)
	if !ok {
		return nil
	}
	if err := d.md.PrimitiveDecode(value, into); err != nil {
		return d.refuse(d.line(path...), toml.Key(path).String()+" takes "+want,
			"%s has a value of another kind", toml.Key(path))
	}
	return nil
}

// file makes a path in the text absolute.
func (d *document) file(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}
