package trust

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// policyTables are the tables of a travelling policy and their keys; nil: any name.
var policyTables = map[string][]string{
	"files": nil, "network": {"namespaces"}, "revoked": {"keys", "certificates"}, "bounds": nil,
}

// A policyText is the TOML text of a travelling policy, which knows the line of everything in it.
type policyText struct {
	text   string
	md     toml.MetaData
	tables map[string]map[string]toml.Primitive
}

// ParseAmendment reads a travelling policy; the package comment gives its format. Errors wrap
// [ErrMalformed], and their text begins with the line, such as "policy.toml:7: "; or [ErrTooLarge].
func ParseAmendment(text []byte) (Amendment, error) {
	var a Amendment
	t, err := openPolicy(text)
	if err != nil {
		return Amendment{}, err
	}
	for _, read := range []func(*Amendment) error{t.files, t.network, t.revoked, t.limits} {
		if err := read(&a); err != nil {
			return Amendment{}, err
		}
	}
	if err := t.plan(a); err != nil {
		return Amendment{}, err
	}
	return a, nil
}

// openPolicy parses the text and refuses tables and keys that it does not know.
func openPolicy(text []byte) (*policyText, error) {
	if len(text) > maxPolicy {
		return nil, refuse(ErrTooLarge, "%s is longer than %d bytes", PolicyName, maxPolicy)
	}
	if line, deep := nested(string(text)); deep {
		return nil, atLine(line, refuse(ErrMalformed, "values are nested too deeply"))
	}
	t := &policyText{text: string(text), tables: make(map[string]map[string]toml.Primitive)}
	var top map[string]toml.Primitive
	var err error
	if t.md, err = toml.Decode(t.text, &top); err != nil {
		return nil, syntaxError(err)
	}
	for _, name := range slices.Sorted(maps.Keys(top)) {
		if err := t.open(name, top[name]); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// open takes one table.
func (t *policyText) open(name string, value toml.Primitive) error {
	keys, known := policyTables[name]
	if !known {
		return t.refuse(value, "unknown table %s", shown(name)).
			hinting("the tables are: %s", strings.Join(slices.Sorted(maps.Keys(policyTables)), ", "))
	}
	var rows map[string]toml.Primitive
	if t.md.PrimitiveDecode(value, &rows) != nil || rows == nil {
		return t.refuse(value, "%s is not a table", name)
	}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if keys != nil && !slices.Contains(keys, key) {
			return t.refuse(rows[key], "unknown key %s in [%s]", shown(key), name).hinting("the keys are: %s", strings.Join(keys, ", "))
		}
	}
	t.tables[name] = rows
	return nil
}

// files reads [files]: for each name the keys that may sign it.
func (t *policyText) files(a *Amendment) error {
	a.files = make(map[Name][]PublicKey)
	return t.names("files", func(n Name, value toml.Primitive) error {
		texts, err := t.list(value)
		if err != nil {
			return err
		}
		if len(texts) == 0 || len(texts) > maxKeys {
			return t.refuse(value, "%s has %d keys, and not 1 to %d", n, len(texts), maxKeys)
		}
		for _, text := range texts {
			key, err := ParseKey(text)
			if err != nil {
				return t.blame(value, text, err)
			}
			a.files[n] = append(a.files[n], key)
		}
		return nil
	})
}

// network reads the namespaces.
func (t *policyText) network(a *Amendment) error {
	value, ok := t.tables["network"]["namespaces"]
	if !ok {
		return nil
	}
	var err error
	if a.namespaces, err = t.list(value); err != nil {
		return err
	}
	a.namespacesLine = t.line(value)
	if len(a.namespaces) > maxNamespaces {
		return t.refuse(value, "%d namespaces are more than %d", len(a.namespaces), maxNamespaces)
	}
	for _, ns := range a.namespaces {
		if err := checkNamespace(ns); err != nil {
			return t.blame(value, ns, err)
		}
	}
	return nil
}

// revoked reads [revoked].
func (t *policyText) revoked(a *Amendment) error {
	for key, take := range map[string]func(string) error{"keys": a.revokeKey, "certificates": a.revokeCertificate} {
		value, ok := t.tables["revoked"][key]
		if !ok {
			continue
		}
		texts, err := t.list(value)
		if err != nil {
			return err
		}
		for _, text := range texts {
			if err := take(text); err != nil {
				return t.blame(value, text, err)
			}
		}
	}
	return nil
}

func (a *Amendment) revokeKey(text string) error {
	key, err := ParseKey(text)
	a.revokedKeys = append(a.revokedKeys, key.Key)
	return err
}

func (a *Amendment) revokeCertificate(text string) error {
	serial, ok := parseSerial(text)
	if !ok {
		return refuse(ErrMalformed, "%s is not a serial number in hexadecimal", shown(text))
	}
	a.revokedSerials = append(a.revokedSerials, serial)
	return nil
}

// limits reads [bounds].
func (t *policyText) limits(a *Amendment) error {
	a.bounds = make(map[Name]Bounds)
	return t.names("bounds", func(n Name, value toml.Primitive) error {
		var rows map[string]any
		if t.md.PrimitiveDecode(value, &rows) != nil || len(rows) == 0 {
			return t.refuse(value, "the bounds of %s are not a table", n).hinting("write { not_after = 2026-12-31T00:00:00Z }")
		}
		var b Bounds
		for key, row := range rows {
			v, ok := versionOf(row)
			switch {
			case ok && key == "not_before":
				b.NotBefore = v
			case ok && key == "not_after":
				b.NotAfter = v
			default:
				return t.refuse(value, "bound %s of %s is not a moment with its time zone", shown(key), n).
					hinting("write not_before or not_after, and a moment such as 2026-12-31T00:00:00Z")
			}
		}
		if b.NotAfter > 0 && b.NotAfter < b.NotBefore {
			return t.refuse(value, "no version is within the bounds of %s", n)
		}
		a.bounds[n] = b
		return nil
	})
}

// versionOf takes a moment that says where it is: package toml marks local ones by their zone's name.
func versionOf(value any) (Version, bool) {
	at, ok := value.(time.Time)
	if !ok || strings.HasSuffix(at.Location().String(), "-local") || at.Year() < 1970 || at.Year() > 2261 {
		return 0, false
	}
	v := VersionAt(at)
	return v, v > 0
}

// names calls take for each name of a table, in order.
func (t *policyText) names(table string, take func(Name, toml.Primitive) error) error {
	rows := t.tables[table]
	for _, text := range slices.Sorted(maps.Keys(rows)) {
		n, err := ParseName(text)
		if err == nil {
			err = checkReserved(n)
		}
		if err != nil {
			return t.blame(rows[text], "", err)
		}
		if err := take(n, rows[text]); err != nil {
			return err
		}
	}
	return nil
}

// list decodes a list of strings.
func (t *policyText) list(value toml.Primitive) (texts []string, err error) {
	if t.md.PrimitiveDecode(value, &texts) != nil {
		return nil, t.refuse(value, "this is not a list of strings").hinting(`write [ "…" ], and names in double quotes: "config.json" = [ "KEY" ]`)
	}
	return texts, nil
}

// plan refuses a policy whose own entries are in each other's way.
func (t *policyText) plan(a Amendment) error {
	_, upper, lower := plan(sortedNames(a.files), a.namespaces)
	if upper == "" {
		return nil
	}
	err := clash(upper, lower, slices.Contains(a.namespaces, upper))
	if value, ok := t.tables["files"][lower]; ok {
		return t.blame(value, "", err)
	}
	return t.blame(t.tables["network"]["namespaces"], lower, err)
}
