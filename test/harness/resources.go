package harness

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Resources is what a node takes up.
type Resources struct {
	Resident, Peak int64 // memory in bytes, now and at most since ForgetPeak
	Heap           int64 // of Go, in bytes
	State          int64 // bytes in its state_dir
	Descriptors    int64
	Goroutines     int64
}

// String is a line for a log.
func (r Resources) String() string {
	return fmt.Sprintf("%d MiB of memory, %d at most, %d of heap, %d on disk, %d descriptors, %d goroutines",
		r.Resident>>20, r.Peak>>20, r.Heap>>20, r.State>>20, r.Descriptors, r.Goroutines)
}

// Resources looks at a running node from outside, and at its metrics page.
func (n *Node) Resources() Resources {
	n.mesh.t.Helper()
	return Resources{
		Resident: n.memory("VmRSS:"), Peak: n.memory("VmHWM:"), State: n.stateSize(),
		Heap: int64(n.Metric("go_memstats_heap_alloc_bytes")), Goroutines: int64(n.Metric("go_goroutines")),
		Descriptors: int64(n.Metric("process_open_fds")),
	}
}

// Resident returns the resident memory of a running node in bytes.
func (n *Node) Resident() int64 {
	n.mesh.t.Helper()
	return n.memory("VmRSS:")
}

// ForgetPeak has the most memory that a running node has had counted anew.
func (n *Node) ForgetPeak() {
	n.mesh.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", n.Pid()), []byte("5"), 0); err != nil {
		n.mesh.t.Fatal(err)
	}
}

func (n *Node) memory(field string) int64 {
	n.mesh.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Pid()))
	if err != nil {
		n.mesh.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), field)
	var kib int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		n.mesh.t.Fatal(err)
	}
	return kib << 10
}

// Metric is a value without labels in a running node's metrics page.
func (n *Node) Metric(name string) float64 {
	n.mesh.t.Helper()
	page, err := os.Open(filepath.Join(n.Mount, ".dmfs", "metrics"))
	if err != nil {
		n.mesh.t.Fatal(err)
	}
	defer page.Close()
	for lines := bufio.NewScanner(page); lines.Scan(); {
		var value float64
		if _, err := fmt.Sscanf(lines.Text(), name+" %g", &value); err == nil {
			return value
		}
	}
	n.mesh.t.Fatalf("node %s has no metric %s", n.Name, name)
	return 0
}

func (n *Node) stateSize() (size int64) {
	n.mesh.t.Helper()
	err := filepath.WalkDir(n.State, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				size += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // replaced meanwhile
		}
		return err
	})
	if err != nil {
		n.mesh.t.Fatal(err)
	}
	return size
}
