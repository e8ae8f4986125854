package replica

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

const (
	maxRemembered = 300         // peers in the file
	rememberEvery = time.Minute // at most
	maxLine       = 2 * wire.MaxContact
	fileHeader    = "dmfs peers 1"
)

// remember writes the peers that we have met, those we met last first, if it is time and there is
// something new, or at the end.
func (r *Replica) remember(end bool) {
	if r.peersFile == "" || !end && time.Since(r.remembered.at) < rememberEvery {
		return
	}
	var what strings.Builder
	text := r.rememberedText(&what)
	if !end && what.String() == r.remembered.what {
		return
	}
	r.remembered.at, r.remembered.what = time.Now(), what.String()
	if err := replaceFile(r.peersFile, text); err != nil {
		r.log.Warn("the peers met last are not remembered", "err", err)
	}
}

// rememberedText returns the file, and writes which peers with which addresses are in it.
func (r *Replica) rememberedText(what io.Writer) []byte {
	text := bytes.NewBufferString(fileHeader + "\n")
	lines := 0
	for _, c := range append(r.book.all(), r.lapsed...) {
		if c.met.IsZero() || c.id == r.host.ID() || lines == maxRemembered {
			continue
		}
		lines++
		fmt.Fprintf(what, "%s %d\n", c.id, c.entry.Version)
		fmt.Fprintf(text, "%s %s\n", c.met.UTC().Format(time.RFC3339), base64.StdEncoding.EncodeToString(wire.Encode(c.said)))
	}
	return text.Bytes()
}

// replaceFile writes a file of mode 0600 that is there whole or not at all.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// recall reads the file. One that makes no sense is ignored: it only saves time.
func (r *Replica) recall() {
	if r.peersFile == "" {
		return
	}
	contacts, err := r.readPeers()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		r.log.Warn("the peers met last are not known any more", "err", err)
		return
	}
	for _, c := range contacts {
		r.recallOne(c)
	}
}

// recallOne puts a peer into the book. One whose certificate is over may have renewed it since: it is
// dialled, and told to nobody.
func (r *Replica) recallOne(c contact) {
	c, err := r.certifiedContact(c)
	switch {
	case errors.Is(err, trust.ErrExpired):
		r.lapsed = append(r.lapsed, c)
		return
	case err == nil:
		_, err = r.book.add(c)
	}
	if err != nil {
		r.log.Debug("a peer is not known any more", "peer", c.id, "err", err)
	}
}

// dialLapsed dials those whose certificate was over.
func (r *Replica) dialLapsed() {
	for _, c := range r.lapsed {
		m, fresh := r.members.add(c.id, nil)
		if fresh {
			m.describe(c.addrs, "")
			r.spawn(func() { r.live(m) })
		}
	}
}

// caughtUp forgets those of them that are in the book again.
func (r *Replica) caughtUp() {
	r.lapsed = slices.DeleteFunc(r.lapsed, func(c contact) bool {
		_, ok := r.book.get(c.id)
		return ok
	})
}

func (r *Replica) readPeers() (contacts []contact, err error) {
	f, err := os.Open(r.peersFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for n := 0; lines.Scan(); n++ {
		switch {
		case n == 0 && lines.Text() != fileHeader, n > maxRemembered:
			return nil, fmt.Errorf("%s: not a file of peers", r.peersFile)
		case n == 0:
			continue
		}
		c, err := readLine(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", r.peersFile, n+1, err)
		}
		contacts = append(contacts, c)
	}
	return contacts, lines.Err()
}

// readLine reads one line: when the peer was met, and its contact.
func readLine(line string) (c contact, err error) {
	when, text, _ := strings.Cut(line, " ")
	met, err := time.Parse(time.RFC3339, when)
	if err != nil {
		return c, err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return c, err
	}
	m, err := wire.Decode(raw)
	if err != nil {
		return c, err
	}
	said, ok := m.(wire.Contact)
	if !ok {
		return c, fmt.Errorf("%w: no contact", wire.ErrMalformed)
	}
	c, err = readContact(said)
	c.met = met
	return c, err
}
