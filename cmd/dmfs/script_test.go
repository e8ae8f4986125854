package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dmfs": main, helperName: main})
}

// TestScripts runs the command line as its users do: each script in
// testdata/script starts the real main.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition(t),
		Deadline:            time.Now().Add(5 * time.Minute), // a node that should not have started runs for ever
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"snapshot":  snapshot,
			"unchanged": unchanged,
			"appears":   appears,
			"vanishes":  vanishes,
		},
	})
}

// condition answers [fuse], whether this machine can mount, and [root]. In CI a
// machine that cannot is an error, so that nobody loses these tests unnoticed.
func condition(t *testing.T) func(string) (bool, error) {
	return func(name string) (bool, error) {
		var err error
		switch name {
		case "fuse":
			var f *os.File
			if f, err = os.OpenFile("/dev/fuse", os.O_RDWR, 0); err == nil {
				return true, f.Close()
			}
		case "root":
			if os.Geteuid() == 0 {
				return true, nil
			}
			err = errors.New("this is not root")
		default:
			return false, fmt.Errorf("unknown condition %q", name)
		}
		if os.Getenv("CI") != "" {
			return false, fmt.Errorf("CI must be able to run this: %w", err)
		}
		t.Logf("NOT ALL IS TESTED HERE: %v", err)
		return false, nil
	}
}

// exits runs `exits CODE COMMAND...` and checks the exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// snapshot remembers every file below the working directory.
func snapshot(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("SNAPSHOT", listing(ts))
}

// unchanged checks that no file was made, changed or removed since snapshot.
func unchanged(ts *testscript.TestScript, _ bool, _ []string) {
	if was, is := ts.Getenv("SNAPSHOT"), listing(ts); was != is {
		ts.Fatalf("files changed from %s to %s", was, is)
	}
}

func listing(ts *testscript.TestScript) string {
	all := map[string]string{}
	root := ts.Getenv("WORK")
	ts.Check(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path[len(root):]] = fmt.Sprintf("%x", sha256.Sum256(content))[:12]
		return err
	}))
	return fmt.Sprint(all) // maps print in key order
}

// appears waits until a file is there, vanishes until it is not.
func appears(ts *testscript.TestScript, _ bool, args []string)  { await(ts, args[0], true) }
func vanishes(ts *testscript.TestScript, _ bool, args []string) { await(ts, args[0], false) }

func await(ts *testscript.TestScript, file string, there bool) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); exists(ts.MkAbs(file)) != there; <-tick.C {
		if time.Now().After(deadline) {
			ts.Fatalf("%s: there is not %v after 20 s", file, there)
		}
	}
}
