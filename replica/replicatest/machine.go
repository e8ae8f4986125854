package replicatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
)

// machine is one node of a simulation, with a disk and a clock of its own.
type machine struct {
	number  int
	dir     string
	fabric  fabric
	config  replica.Config
	ahead   atomic.Int64
	set     time.Time // when the clock was set
	latest  time.Time // what it ever said before that
	index   *index.Index
	replica *replica.Replica // nil while the machine is off
	stop    func() error
	watched chan struct{} // closed when nobody watches the index any more

	enacting sync.Mutex                  // held while the policy changes
	chain    atomic.Pointer[trust.Chain] // its certificate, nil without a network
	running  atomic.Pointer[replica.Replica]

	mu     sync.Mutex
	seen   sights
	copied sights // as of the copy of the disk; nil when there is none
}

// sights is what was seen on a machine's disk.
type sights struct {
	ruled int // by which policy
	held  map[trust.Name]signed
	ended map[signed]bool
}

func (s sights) clone() sights { return sights{s.ruled, maps.Clone(s.held), maps.Clone(s.ended)} }

func (m *machine) now() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }

// setClock puts the clock off by that much.
func (m *machine) setClock(ahead time.Duration) {
	m.latest = m.mostAhead()
	m.ahead.Store(int64(ahead))
	m.set = time.Now()
}

// mostAhead is the latest time that the clock ever said.
func (m *machine) mostAhead() time.Time {
	if now := m.now(); now.After(m.latest) {
		return now
	}
	return m.latest
}

// certificate is none without a network.
func (m *machine) certificate() (c trust.Chain) {
	if held := m.chain.Load(); held != nil {
		c = *held
	}
	return c
}

func (m *machine) name() string { return fmt.Sprint("node", m.number) }
func (m *machine) path() string { return filepath.Join(m.dir, fmt.Sprint("index", m.number)) }
func (m *machine) copy() string { return m.path() + ".copy" }

// open opens the index on the machine's disk.
func (m *machine) open(p *trust.Policy) (err error) {
	m.index, err = index.Open(m.path(), p, index.Clock(m.now))
	m.set = time.Now()
	return err
}

// run turns a machine on whose index is open. Whatever changes on its disk is shown to see.
func (m *machine) run(see func(index.Entry)) (err error) {
	m.watch(see)
	m.replica, m.stop, err = m.fabric.start(m)
	m.running.Store(m.replica)
	return err
}

// off turns the machine off; what it wrote is sound.
func (m *machine) off() error {
	r, stop := m.replica, m.stop
	m.replica = nil
	m.running.Store(nil)
	err := errors.Join(r.Close(), stop(), m.index.Check(), m.index.Close())
	<-m.watched
	return err
}

// watch shows every change of the index to see, until the index is closed.
func (m *machine) watch(see func(index.Entry)) {
	m.watched = make(chan struct{})
	ix := m.index
	go func() {
		defer close(m.watched)
		_ = ix.Follow(context.Background(), 0, func(_ context.Context, news []index.Entry) error {
			for _, e := range news {
				see(e)
			}
			return nil
		})
	}()
}

// backUp copies the disk of a machine that is off.
func (m *machine) backUp() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copied = m.seen.clone()
	return copyFile(m.path(), m.copy())
}

// restore puts the copy in place of what was written since.
func (m *machine) restore() error {
	ruled := m.ruled()
	m.mu.Lock()
	m.seen = m.copied.clone()
	m.mu.Unlock()
	m.rule(ruled)
	return copyFile(m.copy(), m.path())
}

// rule gives a machine another policy, after which it may hold anything older that that admits.
func (m *machine) rule(ruled int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen.ruled != ruled {
		m.seen.ruled = ruled
		clear(m.seen.held)
	}
}

// cutPower has the machine lose all but what its disk has, at a moment at which nothing is being written.
func (m *machine) cutPower() error {
	saved := m.path() + ".saved"
	return errors.Join(copyFile(m.path(), saved), m.off(), copyFile(saved, m.path()))
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

func (m *machine) ruled() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen.ruled
}
