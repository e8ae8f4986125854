package replica_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"dmfs/replica"
	"dmfs/replica/replicatest"

	"golang.org/x/sys/unix"
)

// TestMachineTellsOfChanges: addresses, default routes and links that come and go in a network namespace.
func TestMachineTellsOfChanges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NO NETLINK IS TESTED HERE: this needs root")
	}
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended, where := make(chan struct{}, 100), make(chan error, 1), make(chan string, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			ended <- err
			return
		}
		where <- fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		ended <- replica.WatchMachine(ctx, func() { changes <- struct{}{} })
	}()
	var namespace string
	select {
	case err := <-ended:
		t.Fatal(err)
	case namespace = <-where:
	}
	ip := func(command string) {
		t.Helper()
		words := append([]string{"--net=" + namespace, "ip"}, strings.Fields(command)...)
		if out, err := exec.CommandContext(ctx, "nsenter", words...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	told := func(what string) { replicatest.Eventually(t, what+" is told", func() bool { return len(changes) > 0 }) }
	ip("link add left type veth peer name right")
	ip("link set right up")
	ip("link set left up")
	tries := 0
	replicatest.Eventually(t, "it listens", func() bool {
		tries++
		ip(fmt.Sprintf("address add 10.9.%d.%d/32 dev left", tries/250, tries%250))
		return len(changes) > 0
	})
	for _, command := range []string{
		"address add 10.1.2.3/24 dev left", "route add default via 10.1.2.1", "route del default", "link set left down",
	} {
		ip(command)
		told(command)
		for len(changes) > 0 {
			<-changes
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
