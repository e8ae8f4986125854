package index

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dmfs/trust"

	"go.etcd.io/bbolt"
)

var (
	// ErrOlder: another version of the name is held, and wins.
	ErrOlder = errors.New("older than what is held")
	// ErrInUse: another process, or this one, has the file open.
	ErrInUse = errors.New("index is in use")
	// ErrFormat: the file is no index, or one of another format.
	ErrFormat = errors.New("not an index that this program can read")
	// ErrCorrupt: the file contradicts itself.
	ErrCorrupt = errors.New("index is corrupt")
	// ErrNoContent: no content with this digest is stored.
	ErrNoContent = errors.New("content is not held")
)

// An Index is an open index file. All methods may be called from any goroutine.
type Index struct {
	db       *bbolt.DB
	jobs     chan *job
	policies chan *policyJob
	learns   chan *learnJob
	sweep    chan struct{} // something was unpinned; holds one
	quit     chan struct{} // closed by Close
	stopped  chan struct{} // closed when the writer has ended
	close    func() error

	// Only the writer touches these.
	last   uint64               // newest number given
	uses   map[trust.Digest]use // contents stored
	ids    map[string]uint64    // every directory that ever was
	ends   ends
	ledger *ledger

	mu      sync.RWMutex // guards all below; only the writer changes them, but for pins, loose and sorted
	policy  *trust.Policy
	limits  limits
	members roster
	files   map[trust.Name]*file
	rows    map[uint64]*change // every change stored, by seq
	log     []logged
	news    chan struct{}     // closed at the next change
	dirs    map[string]uint64 // replaced, never modified
	sorted  []Entry           // nil: to be made
	pins    map[uint64]int
	loose   map[trust.Name]bool // names with something unpinned since they were trimmed

	now       func() time.Time
	refused   notes[Refused]
	refusing  atomic.Pointer[func(Refused)]
	warned    notes[Warning]
	delivered atomic.Uint64
}

// limits bound what is kept.
type limits struct {
	versions int // of one name
	files    int // of a member in a namespace
	bytes    int64
}

// An Option of Open.
type Option func(*Index)

// Open opens the index at path, or makes one there with mode 0600 in a directory that exists. In force
// is the local policy; when it admits the policy.toml that the file holds, amended by that. Every
// record is proved again; what is not admitted is withheld, which is a change when it was not before.
// A policy.toml that makes no sense here is no error: the local policy holds alone. Errors: ErrInUse
// after a second, ErrFormat, ErrCorrupt, those of the file system.
func Open(path string, local *trust.Policy, options ...Option) (*Index, error) {
	db, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("open index %s: %w", path, err)
	}
	ix, err := load(db, local, options)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open index %s: %w", path, err), db.Close())
	}
	go ix.write()
	return ix, nil
}

// load builds the table in memory.
func load(db *bbolt.DB, local *trust.Policy, options []Option) (*Index, error) {
	ix := &Index{
		db: db, jobs: make(chan *job), policies: make(chan *policyJob), learns: make(chan *learnJob),
		sweep: make(chan struct{}, 1), quit: make(chan struct{}), stopped: make(chan struct{}),
		files: map[trust.Name]*file{}, news: make(chan struct{}),
		pins: map[uint64]int{}, loose: map[trust.Name]bool{},
		now: time.Now, ends: ends{byName: map[trust.Name]*ending{}}, ledger: newLedger(nil),
	}
	for _, set := range options {
		set(ix)
	}
	var t *table
	var p *trust.Policy
	err := db.View(func(tx *bbolt.Tx) (err error) {
		if t, err = readTable(tx); err == nil {
			ix.readDelivered(tx)
			p = ix.amended(local, t, tx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ix.last, ix.uses, ix.ids, ix.rows, ix.members = t.last, t.uses, t.ids, t.rows, newRoster(t.members)
	ix.close = sync.OnceValue(ix.shut)
	ix.log = heldOf(t.names)
	ix.limits.versions = math.MaxInt // how many to keep is not known yet
	err = ix.settle(p, slices.Collect(maps.Values(t.names)))
	ix.limits = limits{DefaultHistory, DefaultQuotaFiles, DefaultQuotaBytes}
	return ix, err
}

// Close waits for an Apply that is being written and closes the file. Later calls return the same;
// followers end with os.ErrClosed, and so does whatever needs the file.
func (ix *Index) Close() error { return ix.close() }

func (ix *Index) shut() error {
	close(ix.quit)
	<-ix.stopped
	err := ix.db.Update(func(tx *bbolt.Tx) error { return ix.storeDelivered(tx.Bucket(bucketMeta)) })
	return errors.Join(err, ix.db.Close())
}

// closed says what was asked of a closed index.
func closed(what string) error { return fmt.Errorf("%s: index is closed: %w", what, os.ErrClosed) }

// Policy returns the policy in force.
func (ix *Index) Policy() *trust.Policy {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.policy
}

// Get returns what is held for a name.
func (ix *Index) Get(n trust.Name) (Entry, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	f, ok := ix.files[n]
	if !ok {
		return Entry{}, false
	}
	return f.Entry, true
}

// Entries returns what is held, sorted by name, tombstones and withheld versions included. The slice
// is shared: read only.
func (ix *Index) Entries() []Entry {
	ix.mu.RLock()
	sorted, news := ix.sorted, ix.news
	var files []*file
	if sorted == nil {
		files = slices.Collect(maps.Values(ix.files))
	}
	ix.mu.RUnlock()
	if sorted == nil {
		sorted = sortEntries(files) // which takes a while when there are many: without the lock
		ix.mu.Lock()
		defer ix.mu.Unlock()
		if ix.news == news {
			ix.sorted = sorted
		}
	}
	return sorted
}

func sortEntries(files []*file) []Entry {
	slices.SortFunc(files, func(a, b *file) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
	sorted := make([]Entry, len(files))
	for i, f := range files {
		sorted[i] = f.Entry
	}
	return sorted
}

// Seq returns the newest change, 0 when there was none.
func (ix *Index) Seq() uint64 {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if len(ix.log) == 0 {
		return 0
	}
	return ix.log[len(ix.log)-1].seq
}

// Stored returns a version by its Seq or Inode, also a superseded one as long as its content is here. By
// Inode it is the version with which the content appeared, always the same one.
func (ix *Index) Stored(seq uint64) (Stored, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	c, ok := ix.rows[seq]
	if !ok || c.absent {
		return Stored{}, false
	}
	return c.stored(), true
}

// ByName is the directory in each namespace where members are found by their names. No record is there.
const ByName = "by-name"

// Dirs returns every directory of the policy and of held names, tombstones and withheld ones
// included, and ByName in every namespace of the policy, with its number, which is for ever the same
// and never that of a change. Shared: read only.
func (ix *Index) Dirs() map[string]uint64 {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.dirs
}
