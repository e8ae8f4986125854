//go:build linux

package main

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// readyVariable names a descriptor at which somebody waits for one byte: the
// mount answers. It is closed when the process ends without it.
const readyVariable = "DMFS_READY_FD"

// waiting is who started this process and waits, nil for nobody.
func waiting() *os.File {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	_ = os.Unsetenv(readyVariable) //nolint:errcheck // fails for names that are none
	if err != nil || fd < firstListenFD {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "ready")
}

// release lets them go on.
func release(waiting *os.File) error {
	if waiting == nil {
		return nil
	}
	_, err := waiting.Write([]byte{'\n'})
	return errors.Join(err, waiting.Close())
}
