package replicatest

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

const (
	syncInterval = 30 * time.Second
	lazyInterval = 1000 * time.Hour // never, as far as a schedule goes
)

// interval is the nodes' SyncInterval.
func (p *plan) interval() time.Duration {
	if p.lazy {
		return lazyInterval
	}
	return syncInterval
}

// simulation is one schedule that runs.
type simulation struct {
	t        testing.TB
	plan     *plan
	links    *Links
	fabric   fabric
	rules    []*rule // of configurations, then what amendments make of them
	names    []trust.Name
	machines []*machine
	begun    time.Time

	mu        sync.Mutex
	published map[signed]bool
	story     []string
	failures  []string
	enemy     *hostile  // nil when there is none
	lasting   time.Time // when the last lifetime is over

	renewed    atomic.Bool // the outcast's certificate was
	configured int         // how many rules are those of configurations
	amendments []amendment
	texts      []trust.Digest // of all but the first one
}

// Simulate runs the schedule of a seed. It must be called outside of a bubble; whatever the schedule
// waits for takes no time.
func Simulate(t *testing.T, level Level, seed uint64) {
	t.Helper()
	guard := time.AfterFunc(2*time.Minute, func() { panic("a schedule does not end: " + replay(t, seed)) })
	defer guard.Stop()
	defer func() {
		if e := recover(); e != nil { // by synctest: goroutines are left
			t.Fatalf("%v\n%s", e, replay(t, seed))
		}
	}()
	dir, remove := scratch(t)
	defer remove()
	synctest.Test(t, func(t *testing.T) {
		pass(time.Until(epoch))
		s := newSimulation(t, level, dir, seed)
		s.run()
		s.report(replay(t, seed))
	})
}

// epoch is when schedules begin. Bubbles begin in 2000.
var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func replay(t testing.TB, seed uint64) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return fmt.Sprintf("replay: DMFS_TEST_SEED=%d go test -run '^%s$' ./replica/", seed, name)
}

// scratch makes a directory, in memory where there is such a thing: what is tested here is no disk. Each
// schedule removes its own, as ten thousand of them would fill the memory.
func scratch(t *testing.T) (dir string, remove func()) {
	dir, err := os.MkdirTemp("/dev/shm", "dmfs-simulated-")
	if err != nil {
		dir = t.TempDir()
	}
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}

// pass lets time pass, until nobody has anything left to do.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func newSimulation(t testing.TB, level Level, dir string, seed uint64) *simulation {
	plan := planOf(seed)
	rules, err := newRules(epoch, plan.network(), plan.travels)
	if err != nil {
		t.Fatal(err)
	}
	s := &simulation{
		t: t, plan: plan, links: newLinks(seed), rules: rules, published: make(map[signed]bool),
		begun: time.Now(), lasting: time.Now(), names: rules[0].policy.Names(),
	}
	s.must(s.amendAll())
	s.fabric = level.open(s.links)
	if _, ok := s.fabric.(*exchange); !ok { // there connections cannot be broken, and only members get in
		s.plan.lazy, s.plan.enemy, s.plan.healed = false, false, whole
	}
	for i := range s.plan.nodes {
		s.machines = append(s.machines, &machine{
			number: i, dir: dir, fabric: s.fabric,
			seen: sights{s.plan.rules[i], make(map[trust.Name]signed), make(map[signed]bool)},
			config: replica.Config{
				Identity: trusttest.Signer(identity + i).Ed25519(), Listen: []string{s.fabric.addr(i)},
				SyncInterval: s.plan.interval(), Version: "test",
				Blamed: func(id, _ string, f replica.Fault) { s.blamed(i, id, f) },
			},
		})
	}
	for _, m := range s.machines {
		m.config.Bootstrap = s.addresses(m)
	}
	if s.plan.members {
		s.must(s.certify())
	}
	return s
}

// addresses are those of the machines that are configured: all others, or the first one.
func (s *simulation) addresses(m *machine) (all []string) {
	for _, other := range s.machines {
		if other != m && (other.number == 0 || !s.plan.guided) {
			id := replica.PeerID(trusttest.Signer(identity + other.number).Public().Key)
			all = append(all, s.fabric.addr(other.number)+"/p2p/"+id)
		}
	}
	return all
}

// identity is the number of the signer that is the first machine's identity key.
const identity = 1000

// tell adds a line to the story.
func (s *simulation) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(format, args...)
}

// write does so for a caller who holds mu.
func (s *simulation) write(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf("%8.3fs  ", time.Since(s.begun).Seconds())+fmt.Sprintf(format, args...))
}

func (s *simulation) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write("WRONG: "+format, args...)
	s.failures = append(s.failures, fmt.Sprintf(format, args...))
}

// must ends the schedule when the machine of the test fails.
func (s *simulation) must(err error) {
	s.t.Helper()
	if err != nil {
		s.tell("WRONG: %v", err)
		s.t.Fatalf("%v\n%s", err, strings.Join(s.story, "\n"))
	}
}

func (s *simulation) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.failures) > 0
}

// report fails the test with the story, or logs that when just this one was asked for.
func (s *simulation) report(replay string) {
	if os.Getenv(seedVariable) != "" && len(s.failures) == 0 {
		s.t.Log(strings.Join(s.story, "\n"))
	}
	if len(s.failures) > 0 {
		s.t.Errorf("%s\n%s\n%s", s.failures[0], strings.Join(s.story, "\n"), replay)
	}
}

func (s *simulation) run() {
	s.links.setFaults(s.plan.faults)
	s.tell("%d nodes with policies %v, members %v, lazy %v, guided %v, %+v",
		s.plan.nodes, s.plan.rules, s.plan.members, s.plan.lazy, s.plan.guided, s.plan.faults)
	for _, m := range s.machines {
		s.start(m)
	}
	s.invite()
	for _, step := range s.plan.steps {
		pass(step.after)
		step.do(s)
		synctest.Wait()
		s.look()
		if s.failed() {
			break
		}
	}
	if !s.failed() {
		s.eventually()
	}
	s.finally()
}

// invite lets a hostile member in.
func (s *simulation) invite() {
	if !s.plan.enemy {
		return
	}
	var err error
	s.enemy, err = s.fabric.(*exchange).invite(len(s.machines), s.plan.seed)
	s.must(err)
	s.tell("node %d is hostile", len(s.machines))
	s.enemy.meet()
}

// misbehave has the hostile member do something.
func (s *simulation) misbehave() {
	if s.enemy != nil {
		s.tell("node %d %s", len(s.machines), s.enemy.act(s.names))
	}
}

// start turns a machine on, and watches it.
func (s *simulation) start(m *machine) {
	s.must(m.open(s.rules[s.configuration(m)].policy))
	s.must(s.reopened(m))
	if m.number == outcast && s.renewed.Load() {
		s.learn(m)
	}
	s.must(m.run(func(e index.Entry) {
		s.watch(m, e)
		s.follow(m, e)
	}))
}

// look checks what must hold at any time.
func (s *simulation) look() {
	for _, m := range s.machines {
		if m.replica != nil {
			s.anytime(m)
		}
	}
}

// finally stops everything: each index has to be sound, and no goroutine and no stream to be left.
func (s *simulation) finally() {
	for _, m := range s.machines {
		if m.replica != nil {
			s.must(m.off())
		}
	}
	if s.enemy != nil {
		s.must(s.enemy.host.Close())
	}
	pass(time.Minute) // for whoever hangs on a blocked link
	for _, o := range s.fabric.open() {
		s.fail("a stream is left: %s", o)
	}
}
