package replica

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"dmfs/replica/internal/wire"
	"dmfs/trust"
)

const (
	maxRemembered = 300         // peers in the file
	rememberEvery = time.Minute // at most
	maxLine       = 2 * wire.MaxContact
	fileHeader    = "dmfs peers 2"
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

// rememberedText returns the file, and writes what is new in it when it is.
func (r *Replica) rememberedText(what io.Writer) []byte {
	seq := r.ix.Seq()
	text := bytes.NewBufferString(fmt.Sprintf("%s\n%d %s\n", fileHeader, seq, lineage(r.ix, seq)))
	lines := 0
	for _, c := range append(r.contacts(), r.lapsed...) {
		if c.met.IsZero() || c.id == r.host.ID() || lines == maxRemembered {
			continue
		}
		lines++
		fmt.Fprintf(what, "%s %d %d %d %x\n", c.id, c.entry.Version, c.holds.said.Moment, c.holds.seq, c.holds.root)
		fmt.Fprintln(text, lineOf(c))
	}
	return text.Bytes()
}

func lineOf(c contact) string {
	root, report := "-", "-"
	if !c.holds.heard.IsZero() {
		root = hex.EncodeToString(c.holds.root[:])
	}
	if c.holds.said.Moment != 0 {
		report = base64.StdEncoding.EncodeToString(wire.Encode(c.holds.said))
	}
	return fmt.Sprintf("%s %s %d %s %s %s", c.met.UTC().Format(time.RFC3339), base64.StdEncoding.EncodeToString(wire.Encode(c.said)),
		c.holds.seq, c.holds.since.UTC().Format(time.RFC3339Nano), root, report)
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
	if !lines.Scan() || lines.Text() != fileHeader || !lines.Scan() {
		return nil, fmt.Errorf("%s: not a file of peers", r.peersFile)
	}
	same := r.isOfIndex(lines.Text())
	for n := 3; lines.Scan(); n++ {
		if n > maxRemembered+2 {
			return nil, fmt.Errorf("%s: too many peers", r.peersFile)
		}
		c, err := r.readLine(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", r.peersFile, n, err)
		}
		if !same {
			c.holds.moment = moment{}
		}
		contacts = append(contacts, c)
	}
	return contacts, lines.Err()
}

// isOfIndex reports whether the numbers of changes in the file are those of our index.
func (r *Replica) isOfIndex(line string) bool {
	number, text, _ := strings.Cut(line, " ")
	seq, err := strconv.ParseUint(number, 10, 64)
	return err == nil && seq <= r.ix.Seq() && text == lineage(r.ix, seq)
}

// readLine reads one line: when the peer was met, its contact, and what it holds.
func (r *Replica) readLine(line string) (c contact, err error) {
	fields := strings.Split(line, " ")
	if len(fields) != 6 {
		return c, fmt.Errorf("%d fields where six must be", len(fields))
	}
	said, err := decoded[wire.Contact](fields[1])
	if err != nil {
		return c, err
	}
	if c, err = readContact(said); err != nil {
		return c, err
	}
	if c.met, err = time.Parse(time.RFC3339, fields[0]); err != nil {
		return c, err
	}
	c.holds, err = r.author.readHolding(c, fields[2:])
	return c, err
}

// readHolding reads what a peer holds: up to which of our changes it has everything, since when, the root
// heard last and the report heard last, each of which may be missing.
func (a author) readHolding(c contact, fields []string) (h holding, err error) {
	if h.seq, err = strconv.ParseUint(fields[0], 10, 64); err != nil {
		return h, err
	}
	if h.since, err = time.Parse(time.RFC3339Nano, fields[1]); err != nil {
		return h, err
	}
	if fields[2] != "-" {
		root, err := hex.DecodeString(fields[2])
		if err != nil || len(root) != len(h.root) {
			return h, fmt.Errorf("root %q: not %d bytes", fields[2], len(h.root))
		}
		h.root, h.heard = wire.Hash(root), c.met
	}
	if fields[3] == "-" {
		return h, nil
	}
	if h.said, err = decoded[wire.Report](fields[3]); err != nil {
		return h, err
	}
	return h, a.proves(c.id, h.said)
}

// decoded reads a message in base64 that must be an M.
func decoded[M wire.Message](text string) (M, error) {
	var want M
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return want, err
	}
	m, err := wire.Decode(raw)
	if err != nil {
		return want, err
	}
	got, ok := m.(M)
	if !ok {
		return want, fmt.Errorf("%w: %T where %T must be", wire.ErrMalformed, m, want)
	}
	return got, nil
}
