package test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// enterCgroups is a script that runs a command in the directories of cgroups
// which are given as its first argument.
const enterCgroups = `for dir in $1; do mkdir -p "$dir" && echo $$ > "$dir/cgroup.procs" || exit; done; shift; exec "$@"`

// cgroups are the machine's own. In one that is shared the systemd of a machine
// would find, and end, processes of another one.
func (m *machine) cgroups() (dirs []string) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		for _, mount := range map[string][]string{"name=systemd": {"systemd"}, "": {"unified", "."}}[part[1]] {
			parent := filepath.Join("/sys/fs/cgroup", mount, part[2])
			if _, err := os.Stat(filepath.Join(parent, "cgroup.procs")); err == nil {
				dirs = append(dirs, filepath.Join(parent, filepath.Base(m.Dir)))
			}
		}
	}
	return dirs
}

// removeCgroups removes them, with what is below, once no process is in them.
func (m *machine) removeCgroups() (err error) {
	for _, top := range m.cgroups() {
		var dirs []string
		_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error { //nolint:errcheck // Remove says so
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			err = errors.Join(err, os.Remove(dir))
		}
	}
	return err
}
