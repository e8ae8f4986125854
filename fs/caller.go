package fs

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// processOf returns the process (thread group) of a thread, since FUSE reports
// the thread that called. It is 0 for a thread that has ended or that the kernel
// did not name.
func processOf(thread uint32) int {
	if thread == 0 {
		return 0
	}
	status, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(thread), 10) + "/status")
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(status, []byte("\nTgid:\t"))
	if !ok {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	id, err := strconv.Atoi(string(line))
	if err != nil {
		return 0
	}
	return id
}

// alive reports whether a process still exists.
func alive(process int) bool {
	return process > 0 && unix.Kill(process, 0) != unix.ESRCH
}
