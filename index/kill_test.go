package index_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// victimOf names the index that this process is to write until it is killed.
const victimOf = "DMFS_TEST_INDEX_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimOf); path != "" {
		victim(path)
	}
	os.Exit(m.Run())
}

// crash is a testing.TB for a process that is no test.
type crash struct{ testing.TB }

func (crash) Helper()           {}
func (crash) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

var killNames = []string{"a/small", "a/large", "b"}

// victim applies version after version of three names at once, and prints each as soon as it is held.
func victim(path string) {
	p := trusttest.Policy(crash{}, alice, killNames...)
	ix, err := index.Open(path, p)
	if err != nil {
		panic(err)
	}
	for i, name := range killNames {
		go func() {
			e, _ := ix.Get(trusttest.Name(crash{}, name))
			for v := e.Record.Version() + 1; ; v++ {
				content := make([]byte, rand.IntN(1<<(10+5*i)))
				out, err := ix.Apply("victim", trusttest.Record(crash{}, p, alice, name, content, v))
				if err != nil || out[0].Err != nil {
					panic(fmt.Sprint(err, out))
				}
				fmt.Printf("%s %d\n", name, v)
			}
		}()
	}
	select {}
}

// What was acknowledged before a SIGKILL is held after it, and the file is sound (I3).
func TestKilledAtAnyMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index")
	p := trusttest.Policy(t, alice, killNames...)
	acknowledged := map[string]trust.Version{}
	total := 0
	for range 30 {
		lines := rand.IntN(25)
		total += kill(t, path, lines, acknowledged)
		ix := indextest.OpenAt(t, path, p)
		if err := ix.Check(); err != nil {
			t.Fatal(err)
		}
		for name, v := range acknowledged {
			if e := get(t, ix, name); e.Record.Version() < v {
				t.Fatalf("%s: version %d was acknowledged, %d is held", name, v, e.Record.Version())
			}
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d versions acknowledged", total)
	if len(acknowledged) != len(killNames) {
		t.Errorf("only %v were written", acknowledged)
	}
}

// kill lets a victim print some lines, kills it, and notes all that it printed.
func kill(t *testing.T, path string, lines int, acknowledged map[string]trust.Version) (n int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimOf+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for scan := bufio.NewScanner(out); ; n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if !scan.Scan() {
			if n < lines {
				t.Fatalf("the victim ended by itself after %d lines", n)
			}
			return n
		}
		var name string
		var v trust.Version
		if _, err := fmt.Sscan(scan.Text(), &name, &v); err != nil {
			t.Fatalf("%q: %v", scan.Text(), err)
		}
		acknowledged[name] = max(acknowledged[name], v)
	}
}
