package fs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"dmfs/fs"
	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

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
	s.before = open()
	fmt.Println("ready")
	s.run(time.NewTicker(time.Second*100/time.Duration(perSecond)), ended)
	if err := s.settled(); err != nil {
		return "", err
	}
	fmt.Println("settled", s.applied)
	return "", errors.Join(f.Unmount(), ix.Check(), ix.Close())
}

type storm struct {
	before  opened
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

// settled waits until everything is shown, no draft is left and nothing is open that was
// not before. Requests of programs that were killed may still be on their way.
func (s *storm) settled() error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for late := time.After(20 * time.Second); ; {
		drafts, bytes := s.f.Drafts()
		if s.ix.LastDelivered() >= s.ix.Seq() && drafts == 0 && bytes == 0 && !leaked(s.before, open()) {
			return nil
		}
		select {
		case <-again.C:
		case <-late:
			return fmt.Errorf("shown %d of %d, %d drafts of %d bytes left, %+v became %+v",
				s.ix.LastDelivered(), s.ix.Seq(), drafts, bytes, s.before, open())
		}
	}
}
