package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
)

// pathUnitsFire for a file and a directory that another node changes.
func (s *site) pathUnitsFire(t *testing.T) {
	moves := []string{"changed-file:PathChanged:watched/file", "modified-file:PathModified:watched/file",
		"changed-dir:PathChanged:watched", "modified-dir:PathModified:watched", "events:PathChanged:.dmfs/events"}
	states := []string{"exists:PathExists:watched/file", "not-empty:DirectoryNotEmpty:watched"}
	all := slices.Concat(moves, states)
	s.startWatches(all)
	s.fires(t, all, func() { s.remotely("watched/file", "created\n") })
	s.fires(t, moves, func() { s.remotely("watched/file", "updated\n") })
	s.fires(t, moves, func() { s.remotely("watched/file", "") })
	for _, kind := range states {
		s.run("systemctl", "stop", name(kind)+".service")
	}
	s.fires(t, all, func() { s.publish(remote, "watched/file", "for a while\n", "--ttl", "10s") })
	s.fires(t, moves, func() { s.vanishes("watched/file") })
	s.stopWatches(all)
}

// pathUnitsFireLater for a name whose directories come with the policy.
func (s *site) pathUnitsFireLater(t *testing.T) {
	late := []string{"late-changed:PathChanged:" + lateName, "late-exists:PathExists:" + lateName}
	s.remotely(lateName, "known before\n")
	s.startWatches(late)
	s.fires(t, late, func() {
		s.write("entry", s.entry(lateName))
		s.sh("test ! -e " + local + "/late && cat /test/entry >> /etc/dmfs/dmfs.toml && systemctl reload dmfs.service")
	})
	s.stopWatches(late)
}

func (s *site) startWatches(kinds []string) {
	s.t.Helper()
	for _, kind := range kinds {
		s.writeWatch(kind)
	}
	s.sh("cp /test/units/* /etc/systemd/system/ && systemctl daemon-reload")
	for _, kind := range kinds {
		s.run("systemctl", "start", name(kind)+".path")
	}
}

func (s *site) stopWatches(kinds []string) {
	s.t.Helper()
	for _, kind := range kinds {
		s.run("systemctl", "stop", name(kind)+".path")
	}
}

func name(kind string) string {
	name, _, _ := strings.Cut(kind, ":")
	return name
}

// fires waits until every path unit watches, makes a change, and waits for each
// to start its service.
func (s *site) fires(t *testing.T, kinds []string, change func()) {
	t.Helper()
	before := map[string]int{}
	for _, kind := range kinds {
		s.awaitUnit(name(kind)+".path", "waiting")
		before[kind] = s.fired(name(kind))
	}
	change()
	for _, kind := range kinds {
		took := harness.Eventually(t, patience, func() error {
			if s.fired(name(kind)) <= before[kind] {
				return fmt.Errorf("%s did not fire", kind)
			}
			return nil
		})
		t.Logf("%s fired after %v", kind, took.Round(time.Millisecond))
	}
}

// writeWatch writes a path unit and its service from NAME:DIRECTIVE:PATH. The
// service of one that asks for a state stays up, since the state does, too.
func (s *site) writeWatch(kind string) {
	s.t.Helper()
	part := strings.Split(kind, ":")
	s.write("units/"+part[0]+".path", fmt.Sprintf("[Path]\n%s=%s/%s\n", part[1], local, part[2]))
	stay := part[1] == "PathExists" || part[1] == "DirectoryNotEmpty"
	s.write("units/"+part[0]+".service", fmt.Sprintf("[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\n"+
		"RemainAfterExit=%v\nExecStart=/bin/sh -c 'echo >> /test/log/%s'\n", stay, part[0]))
}

// fired is how often a path unit started its service.
func (s *site) fired(name string) int {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "log", name))
	return len(text)
}

func (s *site) awaitPath(unit string) {
	s.t.Helper()
	s.run("systemctl", "start", unit)
	s.awaitUnit(unit, "waiting")
}

func (s *site) awaitUnit(unit, state string) {
	s.t.Helper()
	harness.Eventually(s.t, patience, func() error {
		if got, err := s.try("systemctl", "show", "-P", "SubState", unit); strings.TrimSpace(got) != state {
			return fmt.Errorf("%s is %s, not %s: %w", unit, got, state, err)
		}
		return nil
	})
}
