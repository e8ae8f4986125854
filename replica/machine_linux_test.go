package replica_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"dmfs/replica"
	"dmfs/replica/replicatest"

	"golang.org/x/sys/unix"
)

// watched is a network namespace in which nothing happens but what a test does.
type watched struct {
	t         *testing.T
	namespace string
	changes   chan struct{}
}

// watchNamespace watches a new one until the test ends.
func watchNamespace(t *testing.T) *watched {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NO NETLINK IS TESTED HERE: this needs root")
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, ended, where := &watched{t: t, changes: make(chan struct{}, 1000)}, make(chan error, 1), make(chan string, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			ended <- err
			return
		}
		where <- fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		ended <- replica.WatchMachine(ctx, func() { w.changes <- struct{}{} })
	}()
	select {
	case err := <-ended:
		t.Fatal(err)
	case w.namespace = <-where:
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *watched) ip(command string) {
	w.t.Helper()
	words := append([]string{"--net=" + w.namespace, "ip"}, strings.Fields(command)...)
	if out, err := exec.CommandContext(w.t.Context(), "nsenter", words...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s: %v: %s", command, err, out)
	}
}

// told waits until a change is told, for which something is done again and again if do is not nil.
func (w *watched) told(what string, do func()) {
	w.t.Helper()
	replicatest.Eventually(w.t, what+" is told", func() bool {
		if do != nil {
			do()
		}
		return len(w.changes) > 0
	})
	for len(w.changes) > 0 {
		<-w.changes
	}
}

// TestMachineTellsOfChanges: addresses, default routes and links that come and go.
func TestMachineTellsOfChanges(t *testing.T) {
	t.Parallel()
	w := watchNamespace(t)
	w.ip("link add left type veth peer name right")
	w.ip("link set right up")
	w.ip("link set left up")
	tries := 0
	w.told("that it listens", func() {
		tries++
		w.ip(fmt.Sprintf("address add 10.9.%d.%d/32 dev left", tries/250, tries%250))
	})
	for _, command := range []string{
		"address add 10.1.2.3/24 dev left", "route add default via 10.1.2.1", "route del default", "link set left down",
	} {
		w.ip(command)
		w.told(command, nil)
	}
}

// TestMachineTellsOfTheClock: its timer is one that the kernel cancels when the clock is set or the machine wakes
// up. Here it ends instead, again and again, as a test sets no clock.
func TestMachineTellsOfTheClock(t *testing.T) { // alone: it finds its timer by what that is like
	changes, ended := make(chan struct{}, 1000), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- replica.WatchMachine(ctx, func() { changes <- struct{}{} }) }()
	for range 3 {
		var timer int
		replicatest.Eventually(t, "a timer waits for the clock to be set", func() (found bool) {
			timer, found = timerOfClock(t)
			return found
		})
		for len(changes) > 0 {
			<-changes
		}
		now := unix.ItimerSpec{Value: unix.Timespec{Nsec: 1}}
		if err := unix.TimerfdSettime(timer, 0, &now, nil); err != nil {
			t.Fatal(err)
		}
		replicatest.Eventually(t, "it is told", func() bool { return len(changes) > 0 })
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, found := timerOfClock(t); found {
		t.Error("the timer is left")
	}
}

// timerOfClock returns this process's timer that ends when the real time is set, and else as good as never.
func timerOfClock(t *testing.T) (fd int, found bool) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		info, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if err != nil { // of this very list
			continue
		}
		const realtime, absoluteAndCancelled = "clockid: 0\n", "settime flags: 03\n"
		if strings.Contains(string(info), realtime) && strings.Contains(string(info), absoluteAndCancelled) {
			fd, err = strconv.Atoi(e.Name())
			return fd, err == nil
		}
	}
	return 0, false
}
