package fs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/trust"
)

// conformance are go-fuse's cases that apply. What a case writes without a
// signature is a draft, and what it reads afterwards is the record that is prepared here with
// the content that it expects.
var conformance = map[string]map[string][]byte{
	"AppendWrite":         {"file": []byte("helloworld")},
	"DirectIO":            {"file.txt": bytes.Repeat([]byte("bye"), 4096)},
	"FcntlFlockSetLk":     {},
	"FdLeak":              {"file": []byte("hello world")},
	"FileBasic":           {"file": []byte("hello world")},
	"FileLarge":           {"file": largeContent()},
	"LseekEnxioCheck":     {"file.bin": bytes.Repeat([]byte("abcxyz\n"), 1024)},
	"LseekHoleSeeksToEOF": {"file.bin": bytes.Repeat([]byte("abcxyz\n"), 1024)},
	"ParallelFileOpen":    {"file": []byte("content")},
	"ReadDirConsistency":  {"a": []byte("1"), "b": []byte("2"), "d/c": []byte("3")},
	"TruncateFile":        {"file": []byte("hello")},
	"TruncateNoFile":      {},
}

// notApplicable says why of every other case.
var notApplicable = map[string]string{
	"DirSeek":                    "makes a directory",
	"Fallocate":                  "space is not ours to promise",
	"FallocateKeepSize":          "space is not ours to promise",
	"FcntlFlockLocksFile":        "wants one process to exclude itself, which the kernel's own locks do not",
	"FstatDeleted":               "removes what is visible",
	"Link":                       "makes a link",
	"LinkUnlinkRename":           "makes a link",
	"MkdirRmdir":                 "makes a directory",
	"NlinkZero":                  "a visible file keeps its name until a signed one replaces it",
	"OpenAt":                     "makes a directory",
	"OpenSymlinkRace":            "makes a link",
	"ReadDirBasic":               "drafts are not listed",
	"RenameOpenDir":              "makes a directory",
	"RenameOverwriteDestExist":   "makes a directory",
	"RenameOverwriteDestNoExist": "makes a directory",
	"SetattrSymlink":             "makes a link",
	"SymlinkReadlink":            "makes a link",
	"Tmpfile":                    "a draft has a name",
	"XAttr":                      "attributes are the signer's",
	"XAttrLarge":                 "attributes are the signer's",
}

func largeContent() []byte {
	content := make([]byte, 128<<10+123)
	for i := range content {
		content[i] = byte(i * 7 / 3)
	}
	return content
}

const posixVariable = "DMFS_TEST_POSIX"

// TestConformance runs each case in a process of its own.
func TestConformance(t *testing.T) {
	for name := range posixtest.All {
		prepared, ok := conformance[name]
		if !ok {
			if notApplicable[name] == "" {
				t.Errorf("%s: nobody has decided whether it applies", name)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			n := fstest.MountWith(t, fs.Options{FileMode: 0o755}, "file", "file.txt", "file.bin", "a", "b", "d/c")
			for file, content := range prepared {
				n.Remote(file, content, 1)
				n.Must("until test -e $M/" + file + "; do :; done")
			}
			cmd := exec.Command(os.Args[0], "-test.run=^TestConformanceCase$", "-test.v")
			cmd.Env = append(os.Environ(), posixVariable+"="+name, "M="+n.Dir)
			if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestConformanceCase")) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestConformanceCase is what TestConformance starts.
func TestConformanceCase(t *testing.T) {
	name := os.Getenv(posixVariable)
	if name == "" {
		t.Skip("is started by TestConformance")
	}
	posixtest.All[name](t, os.Getenv("M"))
}

// known returns the content of a version, which says which one it is.
func known(version uint64) []byte {
	r := rand.New(rand.NewPCG(version, 7))
	content := make([]byte, 8+r.IntN(200_000))
	for i := 0; i+8 <= len(content); i += 8 {
		binary.LittleEndian.PutUint64(content[i:], r.Uint64())
	}
	binary.LittleEndian.PutUint64(content, version)
	return content
}

// checkLoop reads a file at random places and in random ways and compares with
// the known content of the version that it opened.
func checkLoop(path string, until time.Time) (string, error) {
	operations, versions := 0, map[uint64]bool{}
	for time.Now().Before(until) {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		head := make([]byte, 8)
		if _, err := f.ReadAt(head, 0); err != nil {
			return "", err
		}
		version := binary.LittleEndian.Uint64(head)
		versions[version] = true
		content := known(version)
		for range 100 {
			if err := check(f, content); err != nil {
				return "", fmt.Errorf("version %d: %w", version, err)
			}
			operations++
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d operations on %d versions", operations, len(versions)), nil
}

func check(f *os.File, want []byte) error {
	at := rand.IntN(len(want) + 100)
	part := make([]byte, rand.IntN(100_000))
	var n int
	var err error
	how := rand.IntN(4)
	switch how {
	case 0:
		n, err = f.ReadAt(part, int64(at))
	case 1:
		if _, err = f.Seek(int64(at-len(want)), io.SeekEnd); err == nil {
			n, err = io.ReadFull(f, part)
		}
	case 2:
		at = 0
		n, err = mapped(f, part, len(want))
	case 3:
		var info os.FileInfo
		if info, err = f.Stat(); err == nil && info.Size() != int64(len(want)) {
			return fmt.Errorf("size %d, want %d", info.Size(), len(want))
		}
		return err
	}
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	rest := want[min(at, len(want)):]
	if !bytes.Equal(part[:n], rest[:min(len(part), len(rest))]) {
		return fmt.Errorf("way %d: %d bytes at %d differ from the %d expected", how, n, at, min(len(part), len(rest)))
	}
	return nil
}

func mapped(f *os.File, part []byte, size int) (int, error) {
	kind := []int{syscall.MAP_SHARED, syscall.MAP_PRIVATE}[rand.IntN(2)]
	m, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, kind)
	if err != nil {
		return 0, err
	}
	n := copy(part, m)
	return n, syscall.Munmap(m)
}

// TestI7RandomReaders: while versions change, whatever is read of an open file
// is of the version that was opened.
func TestI7RandomReaders(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", known(1), 1)
	n.Must("until test -e $M/f; do :; done")
	duration := "10"
	if testing.Short() {
		duration = "1"
	}
	readers := []*worker{work(t, "checker", filepath.Join(n.Dir, "f"), duration), work(t, "checker", filepath.Join(n.Dir, "f"), duration)}
	end := seconds(duration)
	var records []trust.Record
	for v := int64(2); time.Now().Before(end); v++ {
		records = append(records[:0], n.Record("f", known(uint64(v)), v))
		n.Apply(records...)
	}
	for _, r := range readers {
		t.Log(r.finish(t))
	}
}
