package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/BurntSushi/toml"
)

// mount reads [mount]: who owns the files, and what they allow.
func (d *document) mount(c *Config) error {
	c.Mount = defaultMountOptions()
	for _, field := range []struct {
		key   string
		into  *uint32
		parse func(string) (uint32, error)
	}{
		{"uid", &c.Mount.UID, userID},
		{"gid", &c.Mount.GID, groupID},
		{"dir_mode", &c.Mount.DirMode, permissions},
		{"file_mode", &c.Mount.FileMode, permissions},
	} {
		if err := d.look(field.key, field.into, field.parse); err != nil {
			return err
		}
	}
	return d.decode(&c.Mount.ReadOnly, "true or false", []string{"mount", "read_only"})
}

// look reads one of them. A mode must be a string: TOML reads 0755 as no
// number, and 755 as another one.
func (d *document) look(key string, into *uint32, parse func(string) (uint32, error)) error {
	value, ok := d.value("mount", key)
	if !ok {
		return nil
	}
	isID := key == "uid" || key == "gid"
	var text string
	if err := d.md.PrimitiveDecode(value, &text); err != nil {
		var number int64
		if !isID || d.md.PrimitiveDecode(value, &number) != nil {
			return d.refuse(d.line("mount", key), lookHint(key, isID), "mount.%s has a value of another kind", key)
		}
		text = strconv.FormatInt(number, 10)
	}
	id, err := parse(text)
	if err != nil {
		return d.refuse(d.line("mount", key), lookHint(key, isID), "mount.%s: %w", key, err)
	}
	*into = id
	return nil
}

func lookHint(key string, isID bool) string {
	if isID {
		return fmt.Sprintf(`%s = 1000, or a name: %s = "ann"`, key, key)
	}
	return fmt.Sprintf(`write it in octal, in quotes: %s = "0755"`, key)
}

// drafts reads [drafts]: what one user's unfinished writes may take.
func (d *document) drafts(c *Config) (err error) {
	if c.Mount.MaxDrafts, err = d.limit("drafts", "max"); err != nil {
		return err
	}
	if c.Mount.MaxDraftBytes, err = d.limit("drafts", "max_bytes"); err != nil {
		return err
	}
	c.Mount.DraftAge, err = d.span(0, time.Second, 24*time.Hour, "drafts", "max_age")
	return err
}

// limit reads a positive number, 0 when there is none.
func (d *document) limit(path ...string) (int, error) {
	number := int64(1)
	if err := d.decode(&number, "a number", path); err != nil {
		return 0, err
	}
	if number < 1 || number > math.MaxInt32 {
		return 0, d.refuse(d.line(path...), fmt.Sprintf("between 1 and %d", math.MaxInt32), "%s = %d is no usable limit", toml.Key(path), number)
	}
	if _, ok := d.value(path...); !ok {
		return 0, nil
	}
	return int(number), nil
}

// span reads a duration between least and most.
func (d *document) span(absent, least, most time.Duration, path ...string) (time.Duration, error) {
	text, err := d.string(path...)
	if err != nil {
		return 0, err
	}
	if _, ok := d.value(path...); !ok {
		return absent, nil
	}
	span, err := time.ParseDuration(text)
	if err != nil || span < least || span > most {
		return 0, d.refuse(d.line(path...), fmt.Sprintf("write it like \"30s\", between %q and %q", brief(least), brief(most)),
			"%s %q is no usable duration", toml.Key(path[1:]), text)
	}
	return span, nil
}

// brief writes whole hours as people do.
func brief(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}
