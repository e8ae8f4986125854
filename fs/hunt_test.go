package fs_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/fs/fstest"
)

// TestDeadlockHunt: on one processor, under a storm of deliveries, programs open, rename, list
// and are killed in the middle of it. Nothing stands still and nothing is left, also when
// requests are handled one by one.
func TestDeadlockHunt(t *testing.T) {
	for _, server := range []string{"storm", "one by one"} {
		t.Run(server, func(t *testing.T) { hunt(t, server) })
	}
}

func hunt(t *testing.T, worker string) {
	fstest.Need(t)
	duration := 20 * time.Second
	if testing.Short() {
		duration = 3 * time.Second
	}
	dir, mnt := t.TempDir(), filepath.Join(t.TempDir(), "mnt")
	server := exec.Command(os.Args[0], dir, mnt, "1000")
	server.Env = append(os.Environ(), workerVariable+"="+worker, "GOMAXPROCS=1", "GOTRACEBACK=all")
	var complaints strings.Builder
	server.Stderr = &complaints
	stdin, _ := server.StdinPipe()
	stdout, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait(); unix.Unmount(mnt, unix.MNT_DETACH) })
	still := time.AfterFunc(20*time.Second, func() { server.Process.Signal(syscall.SIGQUIT) }) // with a dump of all goroutines
	defer still.Stop()
	said := bufio.NewScanner(stdout)
	hear := func() string {
		if !said.Scan() {
			server.Wait()
			t.Fatalf("the server ended or stood still for 20 s: %s", &complaints)
		}
		still.Reset(20 * time.Second)
		return said.Text()
	}
	if line := hear(); line != "ready" {
		t.Fatal(line)
	}
	start := time.Now()
	killed := make(chan int)
	go func() { killed <- killClients(t, mnt, start.Add(duration)) }()
	for time.Since(start) < duration {
		hear()
	}
	deaths := <-killed
	if out, err := exec.Command("sh", "-c", "cat "+mnt+"/d1/* >/dev/null; ls -lR "+mnt+" | grep -c f1").CombinedOutput(); err != nil {
		t.Errorf("the mount does not answer: %v: %s", err, out)
	}
	stdin.Close()
	line := hear()
	for strings.HasPrefix(line, "delivered") {
		line = hear()
	}
	elapsed := time.Since(start)
	if err := server.Wait(); err != nil {
		t.Errorf("server: %v: %s", err, &complaints)
	}
	t.Logf("%s updates in %v, %d clients killed", strings.TrimPrefix(line, "settled "), elapsed.Round(time.Millisecond), deaths)
}

// killClients keeps four clients at work and kills each after a moment.
func killClients(t *testing.T, mnt string, until time.Time) (deaths int) {
	clients := make([]*exec.Cmd, 4)
	kill := func(i int) {
		if clients[i] != nil {
			clients[i].Process.Kill()
			if err := clients[i].Wait(); err != nil && clients[i].ProcessState.Exited() {
				t.Errorf("a client failed by itself: %v: %s", err, clients[i].Stdout)
			}
			deaths++
		}
	}
	for i := 0; time.Now().Before(until); i = (i + 1) % len(clients) {
		kill(i)
		clients[i] = exec.Command(os.Args[0], mnt, "60")
		clients[i].Env = append(os.Environ(), workerVariable+"=churn")
		clients[i].Stdout = &strings.Builder{}
		clients[i].Stderr = clients[i].Stdout
		if err := clients[i].Start(); err != nil {
			t.Error(err)
			return deaths
		}
		<-time.After(time.Duration(rand.IntN(60)) * time.Millisecond)
	}
	for i := range clients {
		kill(i)
	}
	return deaths
}
