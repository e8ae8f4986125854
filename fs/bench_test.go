package fs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"dmfs/fs/fstest"
	"dmfs/trust"
)

// Benchmarks compare the mount with tmpfs in one run. They use plain system
// calls, which do not park in the runtime's poller: the server is in this process.

func BenchmarkOpenReadClose4K(b *testing.B) { compare(b, 4<<10, openReadClose) }
func BenchmarkRead10M(b *testing.B)         { compare(b, 10<<20, openReadClose) }
func BenchmarkStat(b *testing.B)            { compare(b, 4<<10, stat) }

// BenchmarkReadCold10M reads a version for the first time.
func BenchmarkReadCold10M(b *testing.B) {
	n := fstest.Mount(b, "f")
	n.Remote("f", make([]byte, 10<<20), 1)
	n.Must("until test -e $M/f; do :; done")
	b.SetBytes(10 << 20)
	for b.Loop() {
		b.StopTimer()
		fd := must(unix.Open(n.Dir+"/f", unix.O_RDONLY, 0))(b)
		if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
			b.Fatal(err)
		}
		unix.Close(fd)
		b.StartTimer()
		openReadClose(b, n.Dir+"/f", 10<<20)
	}
}

func compare(b *testing.B, size int, op func(testing.TB, string, int)) {
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	n := fstest.Mount(b, "f")
	n.Remote("f", data, 1)
	n.Must("until test -e $M/f; do :; done; cat $M/f >/dev/null")
	tmpfs, err := os.MkdirTemp("/dev/shm", "dmfs")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(tmpfs)
	if err := os.WriteFile(filepath.Join(tmpfs, "f"), data, 0o444); err != nil {
		b.Fatal(err)
	}
	for name, dir := range map[string]string{"dmfs": n.Dir, "tmpfs": tmpfs} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				op(b, dir+"/f", size)
			}
		})
	}
}

var block = make([]byte, 1<<20)

func openReadClose(t testing.TB, path string, size int) {
	fd := must(unix.Open(path, unix.O_RDONLY, 0))(t)
	total := 0
	for {
		n := must(unix.Read(fd, block))(t)
		if n == 0 {
			break
		}
		total += n
	}
	if total != size {
		t.Fatalf("read %d bytes", total)
	}
	unix.Close(fd)
}

func stat(t testing.TB, path string, _ int) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
		return v
	}
}

// BenchmarkDeliver shows a change of 1 KiB from elsewhere.
func BenchmarkDeliver(b *testing.B) {
	n := fstest.Mount(b, "f")
	version := int64(0)
	for b.Loop() {
		version++
		n.Remote("f", bytes.Repeat([]byte{byte(version)}, 1024), version)
	}
}

// BenchmarkDeliverStorm shows 10,000 changes that come at once.
func BenchmarkDeliverStorm(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("d%d/f%d", i%10, i)
	}
	n := fstest.Mount(b, names...)
	records := make([]trust.Record, len(names))
	version := int64(0)
	for b.Loop() {
		b.StopTimer()
		version++
		for i, name := range names {
			records[i] = n.Record(name, fmt.Appendf(nil, "%s %d\n", name, version), version)
		}
		n.Apply(records...)
		b.StartTimer()
		fstest.Eventually(b, "all are shown", func() bool { return n.Index.LastDelivered() >= n.Index.Seq() })
	}
}
