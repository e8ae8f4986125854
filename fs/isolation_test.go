package fs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dmfs/fs/fstest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func seconds(s string) time.Time {
	n, _ := strconv.ParseFloat(s, 64)
	return time.Now().Add(time.Duration(n * float64(time.Second)))
}

// sealed returns a content of random length that says whether it is whole and
// whether it was ever accepted.
func sealed(kind string) []byte {
	body := bytes.Repeat([]byte{byte(rand.IntN(256))}, 1+rand.IntN(300_000))
	sum := sha256.Sum256(append([]byte(kind), body...))
	return fmt.Appendf(nil, "%s %s %s", kind, hex.EncodeToString(sum[:]), body)
}

func checkSealed(data []byte) error {
	kind, rest, _ := bytes.Cut(data, []byte(" "))
	sum, body, ok := bytes.Cut(rest, []byte(" "))
	want := sha256.Sum256(append(bytes.Clone(kind), body...))
	switch {
	case !ok || hex.EncodeToString(want[:]) != string(sum):
		return fmt.Errorf("torn: %d bytes beginning %.40q", len(data), data)
	case string(kind) != "good":
		return fmt.Errorf("unverified bytes were read: %.40q", data)
	}
	return nil
}

// readLoop reads the file again and again, also through descriptors that it
// opened long before.
func readLoop(path string, until time.Time) (string, error) {
	var old []*os.File
	var first [][]byte
	reads := 0
	for ; time.Now().Before(until); reads++ {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		data, err := readAll(file)
		if err != nil {
			return "", err
		}
		if err := checkSealed(data); err != nil {
			return "", err
		}
		if len(old) < 8 {
			old, first = append(old, file), append(first, data)
			continue
		}
		i := reads % len(old)
		if again, err := readAll(old[i]); err != nil || !bytes.Equal(again, first[i]) {
			return "", fmt.Errorf("an open file changed from %d to %d bytes: %v", len(first[i]), len(again), err)
		}
		if err := old[i].Close(); err != nil {
			return "", err
		}
		old[i], first[i] = file, data
	}
	return fmt.Sprint(reads), nil
}

// readAll reads from the beginning in blocks of odd length, to give a tear a chance.
func readAll(f *os.File) ([]byte, error) {
	var out []byte
	block := make([]byte, 7919)
	for {
		n, err := f.ReadAt(block, int64(len(out)))
		out = append(out, block[:n]...)
		if n == 0 || err != nil {
			if err != nil && err != io.EOF {
				return nil, err
			}
			return out, nil
		}
	}
}

// writeLoop proposes versions, every second one forged, and checks each verdict.
func writeLoop(mount, name string, until time.Time) (string, error) {
	accepted, refused := 0, 0
	signer := trusttest.Signer(1)
	parsed, err := trust.ParseName(name)
	if err != nil {
		return "", err
	}
	for time.Now().Before(until) {
		forged := rand.IntN(2) == 0
		content := sealed("good")
		text, err := signer.Sign(trust.DigestOf(content), trust.Statement{Name: parsed, Version: trust.VersionAt(time.Now())})
		if err != nil {
			return "", err
		}
		if forged {
			content = sealed("evil")
		}
		err = errors.Join(writeFile(filepath.Join(mount, name), content), writeFile(filepath.Join(mount, name+".sig"), text))
		switch {
		case err == nil && forged:
			return "", errors.New("a forgery was accepted")
		case err == nil:
			accepted++
		case errors.Is(err, syscall.ESTALE), forged && errors.Is(err, syscall.EKEYREJECTED):
			refused++
		default:
			return "", err
		}
	}
	return fmt.Sprint(accepted, " ", refused), nil
}

// writeFile writes in several pieces with O_TRUNC.
func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	for len(data) > 0 && err == nil {
		n := min(len(data), 65_537)
		_, err = f.Write(data[:n])
		data = data[n:]
	}
	return errors.Join(err, f.Close())
}

// TestI6I7TwoWritersTwoReaders: no reader ever sees bytes that were not one
// whole accepted version, and descriptors opened before keep theirs.
func TestI6I7TwoWritersTwoReaders(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", sealed("good"), 1)
	n.Must("until test -e $M/f; do :; done")
	duration := "10"
	if testing.Short() {
		duration = "1"
	}
	var started []*worker
	for range 2 {
		started = append(started, work(t, "reader", n.Dir+"/f", duration), work(t, "writer", n.Dir, "f", duration))
	}
	for i, w := range started {
		t.Logf("worker %d: %s", i, w.finish(t))
	}
	if n.Index.Seq() < 20 {
		t.Error("hardly anything was written")
	}
}

// TestI6DraftsAreUnreadable: neither others nor the writer can read what is not
// proved, and no name appears before it is.
func TestI6DraftsAreUnreadable(t *testing.T) {
	n := fstest.Mount(t, "f", "g")
	n.Pair("f", []byte("shown\n"), 100)
	n.Must("cp f f.sig $M/")
	out := n.Must(`exec 3>$M/g; echo secret >&3; exec 4>$M/f; echo secret >&4
ls -A $M; cat $M/f; cat $M/g /proc/self/fd/3 2>&1; exec 3>&- 4>&-; ls -A $M; cat $M/f; cat $M/g 2>&1; true`)
	if strings.Contains(out, "secret") || strings.Count(out, "shown\n") != 2 || strings.Contains("\n"+out, "\ng\n") {
		t.Errorf("got %s", out)
	}
	out = n.Must(`python3 -c '
import os
m = os.environ["M"]
def attempt(what, call):
    try: print(what, call())
    except OSError as e: print(what, e.strerror)
fd = os.open(m+"/g", os.O_RDWR|os.O_CREAT)
os.write(fd, b"secret")
attempt("pread", lambda: os.pread(fd, 9, 0))
attempt("open", lambda: os.open(m+"/g", os.O_RDONLY))
import mmap
attempt("mmap", lambda: mmap.mmap(fd, 6, mmap.MAP_SHARED, mmap.PROT_READ).read())
print("size", os.stat(m+"/g").st_size)
'`)
	if out != "pread Permission denied\nopen Permission denied\nmmap No such device\nsize 6\n" {
		t.Errorf("the writer itself: %s", out)
	}
}

// TestI7OpenFileKeepsItsVersion also over a deletion.
func TestI7OpenFileKeepsItsVersion(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("one\n"), 1)
	n.Must("mkfifo opened go && until test -e $M/f; do :; done")
	cmd := exec.Command("sh", "-c", "exec 3<$M/f; echo >opened; read x <go; cat <&3")
	cmd.Dir, cmd.Env = n.Work, append(os.Environ(), "M="+n.Dir)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.Must("read x <opened")
	for i := range 10 {
		n.Remote("f", fmt.Appendf(nil, "version %d\n", i), int64(10+i))
	}
	n.RemoteDelete("f", 100)
	n.Must("while test -e $M/f; do :; done; echo >go")
	if err := cmd.Wait(); err != nil || out.String() != "one\n" {
		t.Errorf("read %q: %v", &out, err)
	}
}
