package fs_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dmfs/fs"
	"dmfs/fs/fstest"
	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// longVariable asks for the stress run at full length.
const longVariable = "DMFS_TEST_LONG"

func stormNames() []string {
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("d%d/f%d", i%10, i)
	}
	return names
}

// stormServer mounts and applies the given number of updates a second, 100 at a
// time, until its input ends. It says each second that it got further.
func stormServer(dir, mountpoint, rate string) (string, error) {
	perSecond, err := strconv.Atoi(rate)
	if err != nil {
		return "", err
	}
	var tb quiet
	signer := trusttest.Signer(1)
	ix, err := index.Open(filepath.Join(dir, "index.db"), trusttest.Policy(&tb, signer, stormNames()...))
	if err != nil {
		return "", err
	}
	f, err := fs.Mount(fs.Options{Mountpoint: mountpoint, StateDir: dir, AllowOther: os.Getuid() == 0, DraftAge: 300 * time.Millisecond}, ix)
	if err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, os.Stdin)
	}()
	s := storm{ix: ix, f: f, signer: signer}
	s.batch()
	if err := s.settled(); err != nil {
		return "", err
	}
	before := open()
	fmt.Println("ready")
	s.run(time.NewTicker(time.Second*100/time.Duration(perSecond)), ended)
	if err := s.settled(); err != nil {
		return "", err
	}
	if after := open(); leaked(before, after) {
		return "", fmt.Errorf("%+v became %+v", before, after)
	}
	fmt.Println("settled", s.applied)
	return "", errors.Join(f.Unmount(), ix.Check(), ix.Close())
}

type storm struct {
	ix      *index.Index
	f       *fs.FS
	signer  *trust.Signer
	version int64
	applied int
}

func (s *storm) run(again *time.Ticker, ended <-chan struct{}) {
	told, delivered := time.Now(), uint64(0)
	for {
		select {
		case <-ended:
			return
		case <-again.C:
		}
		s.batch()
		if now := s.ix.LastDelivered(); now > delivered && time.Since(told) > time.Second {
			told, delivered = time.Now(), now
			fmt.Println("delivered", now)
		}
	}
}

// batch changes 100 of the names, deleting some.
func (s *storm) batch() {
	var tb quiet
	s.version++
	var records []trust.Record
	for i, name := range stormNames() {
		switch (int64(i) + s.version) % 8 {
		case 0, 2, 4:
			content := fmt.Appendf(nil, "%s %d\n", name, s.version)
			records = append(records, trusttest.Record(&tb, s.ix.Policy(), s.signer, name, content, trust.Version(s.version*1e9)))
		case 6:
			records = append(records, trusttest.Tombstone(&tb, s.ix.Policy(), s.signer, name, trust.Version(s.version*1e9)))
		}
	}
	outcomes, err := s.ix.Apply("peer", records...)
	for _, o := range outcomes {
		err = errors.Join(err, o.Err)
	}
	if err != nil {
		panic(err)
	}
	s.applied += len(records)
}

// settled waits until everything is shown and no draft is left.
func (s *storm) settled() error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for late := time.After(20 * time.Second); ; {
		drafts, bytes := s.f.Drafts()
		if s.ix.LastDelivered() >= s.ix.Seq() && drafts == 0 && bytes == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-late:
			return fmt.Errorf("shown %d of %d, %d drafts of %d bytes left", s.ix.LastDelivered(), s.ix.Seq(), drafts, bytes)
		}
	}
}

// opened is what a process must not leak.
type opened struct {
	descriptors []string
	goroutines  int
}

// open leaves out pipes, of which go-fuse keeps a few to splice with.
func open() opened {
	o := opened{goroutines: runtime.NumGoroutine()}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if !strings.HasPrefix(target, "pipe:") && target != "/dev/null" {
			o.descriptors = append(o.descriptors, target)
		}
	}
	return o
}

// leaked allows for go-fuse's readers, which come and go.
func leaked(before, after opened) bool {
	return len(after.descriptors) > len(before.descriptors) || after.goroutines > before.goroutines+20
}

// churn does what programs do, at random, until it is killed or its time is over.
func churn(mount string, until time.Time) (string, error) {
	names := stormNames()
	operations := 0
	for ; time.Now().Before(until); operations++ {
		path := filepath.Join(mount, names[rand.IntN(len(names))])
		temporary := fmt.Sprintf("%s.tmp%d", path, rand.IntN(5))
		var err error
		switch rand.IntN(9) {
		case 0, 1:
			_, err = os.ReadFile(path)
		case 2:
			_, err = os.ReadFile(path + ".sig")
		case 3:
			_, err = os.ReadDir(filepath.Dir(path))
		case 4:
			err = os.WriteFile(temporary, make([]byte, rand.IntN(5000)), 0o600)
		case 5:
			if os.WriteFile(temporary, []byte("unsigned"), 0o600) == nil {
				err = os.Rename(temporary, path)
			}
		case 6:
			err = os.WriteFile(path, []byte("unsigned"), 0o600)
		case 7:
			if err = os.Remove(temporary); err == nil {
				err = os.Remove(path)
			}
		case 8:
			_, err = unix.Getxattr(path, "user.dmfs.signer", make([]byte, 100))
		}
		if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EDEADLK) {
			return "", err
		}
	}
	return strconv.Itoa(operations), nil
}

// TestDeadlockHunt: on one processor, under a storm of deliveries, programs open, rename, list
// and are killed in the middle of it. Nothing stands still and nothing is left.
func TestDeadlockHunt(t *testing.T) {
	fstest.Need(t)
	duration := 20 * time.Second
	if testing.Short() {
		duration = 3 * time.Second
	}
	dir, mnt := t.TempDir(), filepath.Join(t.TempDir(), "mnt")
	server := exec.Command(os.Args[0], dir, mnt, "1000")
	server.Env = append(os.Environ(), workerVariable+"=storm", "GOMAXPROCS=1", "GOTRACEBACK=all")
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

// TestStress runs all kinds of writers and readers at once, for a minute when it
// is asked to.
func TestStress(t *testing.T) {
	duration := "3"
	if os.Getenv(longVariable) != "" {
		duration = "60"
	}
	if testing.Short() {
		duration = "1.5"
	}
	n := fstest.MountWith(t, fs.Options{DraftAge: 300 * time.Millisecond}, append(stormNames(), "f", "r", "t")...)
	n.Remote("f", sealed("good"), 1)
	n.Remote("r", known(1), 1)
	n.Must("until test -e $M/r; do :; done")
	before := open()
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	heap := memory.HeapAlloc
	started := []*worker{
		work(t, "reader", n.Dir+"/f", duration), work(t, "reader", n.Dir+"/f", duration),
		work(t, "writer", n.Dir, "f", duration), work(t, "writer", n.Dir, "f", duration),
		work(t, "checker", n.Dir+"/r", duration), work(t, "churn", n.Dir, duration),
	}
	end := seconds(duration)
	for v := int64(2); time.Now().Before(end); v++ {
		n.Remote("r", known(uint64(v)), v)
		n.Pair("t", fmt.Appendf(nil, "tool %d\n", v), v)
		n.Must("cp t t.sig $M/ && cmp t $M/t")
	}
	for _, w := range started {
		t.Logf("%s: %s", strings.Join(w.Args[1:], " "), w.finish(t))
	}
	noDrafts(t, n)
	fstest.Eventually(t, "nothing leaked", func() bool { return !leaked(before, open()) })
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if memory.HeapAlloc > heap+32<<20 {
		t.Errorf("%d bytes on the heap became %d", heap, memory.HeapAlloc)
	}
}
