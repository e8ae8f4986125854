package fs

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// processOf returns the process (thread group) of a thread, since FUSE reports
// the thread that called. It is 0 for a thread that has ended or that the kernel
// did not name.
func processOf(thread uint32) int {
	if thread == 0 {
		return 0
	}
	id, _ := strconv.Atoi(statusField(int(thread), "Tgid"))
	return id
}

// alive reports whether a process still runs. One whose parent has not taken
// note of its end does not.
func alive(process int) bool {
	state := statusField(process, "State")
	ended := strings.HasPrefix(state, "Z") && statusField(process, "Threads") == "1"
	return process > 0 && state != "" && !ended
}

// statusField returns what /proc says of a thread, or "" when there is none.
func statusField(thread int, field string) string {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(thread) + "/status")
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(status, []byte("\n"+field+":\t"))
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(value)
}
