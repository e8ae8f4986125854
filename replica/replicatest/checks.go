package replicatest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"dmfs/index"
	"dmfs/replica"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// signed is what a signature says: two records that agree in it are the same.
type signed struct {
	name    trust.Name
	version trust.Version
	digest  trust.Digest
	signer  trust.Key
	deleted bool
	ttl     time.Duration
}

func signedOf(r trust.Record) signed {
	return signed{r.Name(), r.Version(), r.Digest(), r.Signer(), r.Deleted(), r.TTL()}
}

func (s signed) String() string {
	what := fmt.Sprintf("%s version %d %.4s of %.4s", s.name, s.version, s.digest, s.signer)
	if s.deleted {
		what += " deleted"
	}
	if s.ttl > 0 {
		what += fmt.Sprint(" ttl ", s.ttl)
	}
	return what
}

// compare is I4 in the words of the simulation: +1 when s wins. It is the measure of trust.Compare.
func (s signed) compare(other signed) int {
	return cmp.Or(
		cmp.Compare(s.version, other.version),
		bytes.Compare(s.digest[:], other.digest[:]),
		bytes.Compare(s.signer[:], other.signer[:]),
		cmp.Compare(number(s.deleted), number(other.deleted)),
		cmp.Compare(uint64(s.ttl-1), uint64(other.ttl-1)), // none is the longest
	)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// anytime checks what must hold on a machine at every moment.
func (s *simulation) anytime(m *machine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.index.Entries() {
		s.anytimeOf(m, e)
	}
	for n, before := range m.seen.held {
		if _, ok := m.index.Get(n); !ok {
			s.fail("node %d has lost %v", m.number, before)
		}
	}
}

// watch checks a change. One that was made under another policy than the present one is no news any more.
func (s *simulation) watch(m *machine, e index.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.index.Policy() != s.rules[m.seen.ruled].policy {
		return
	}
	if now, ok := m.index.Get(e.Name); ok && now.Seq == e.Seq {
		s.anytimeOf(m, e)
	}
}

// anytimeOf checks one name; the caller holds the machine's mu.
func (s *simulation) anytimeOf(m *machine, e index.Entry) {
	if before, ok := m.seen.held[e.Name]; ok {
		switch {
		case e.Record.IsZero() && s.ofMortal(e.Name) && !m.mostAhead().Before(epoch.Add(s.plan.ends)):
			delete(m.seen.held, e.Name)
		case e.Record.IsZero():
			s.fail("node %d withholds %v, though its policy is the same", m.number, before)
		case signedOf(e.Record).compare(before) < 0:
			s.fail("node %d had %v and has %v", m.number, before, signedOf(e.Record))
		}
	}
	if e.Record.IsZero() {
		if e.Shown {
			s.fail("node %d shows %s without a record", m.number, e.Name)
		}
		return
	}
	is := signedOf(e.Record)
	m.seen.held[e.Name] = is
	if e.Expired {
		m.seen.ended[is] = true
	}
	if !s.genuine(is) || !s.rules[m.seen.ruled].allow(is) {
		s.fail("node %d holds %v, which no key of its policy signed", m.number, is)
	}
	if e.Shown {
		s.anytimeShown(m, e, is)
	}
}

func (s *simulation) genuine(is signed) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published[is]
}

func (s *simulation) anytimeShown(m *machine, e index.Entry, is signed) {
	if m.seen.ended[is] {
		s.fail("node %d shows again what was over: %v", m.number, is)
	}
	if end, mortal := e.Record.Expires(); mortal && m.now().After(end) && time.Since(m.set) > clockNotice {
		s.fail("node %d still shows what is over: %v", m.number, is)
	}
	if s.ofMortal(is.name) && s.mortal() && m.now().After(epoch.Add(s.plan.ends)) && time.Since(m.set) > clockNotice {
		s.fail("node %d still shows what is of a member no more: %v", m.number, is)
	}
	content, err := m.index.Content(is.digest)
	if now, _ := m.index.Get(e.Name); now.Seq != e.Seq || errors.Is(err, os.ErrClosed) {
		return // another change came meanwhile, or the node stopped
	}
	if err != nil || trust.DigestOf(content) != is.digest {
		s.fail("node %d shows %v with another content: %v", m.number, is, err)
	}
}

// blamed checks a fault that a machine finds in somebody: nobody says of an honest one that it is not.
func (s *simulation) blamed(by int, id string, f replica.Fault) {
	for _, m := range s.machines {
		if !f.Honest && id == replica.PeerID(trusttest.Signer(identity+m.number).Public().Key) {
			s.fail("node %d says that node %d, which is honest, %s", by, m.number, f.Text)
		}
	}
}

// clockNotice is when an index has noticed that its clock was set.
const clockNotice = 16 * time.Second

// differences returns in what machines with one configuration differ, and what was lost of the floor.
func (s *simulation) differences(floor map[int]map[trust.Name]signed) (all []string) {
	first := make(map[int]*machine)
	for _, m := range s.machines {
		if s.out(m) {
			continue
		}
		ruled := s.configuration(m)
		other := first[ruled]
		if other == nil {
			first[ruled], other = m, m
		}
		for _, n := range s.names {
			if s.forgotten(m, n) {
				all = append(all, fmt.Sprintf("node %d withholds what it signed, though its certificate was renewed", m.number))
			}
			mine, theirs := m.held(n), other.held(n)
			if mine != theirs {
				all = append(all, fmt.Sprintf("node %d has %v, node %d has %v", m.number, mine, other.number, theirs))
			}
			if shown, theirs := m.shows(n), other.shows(n); shown != theirs {
				all = append(all, fmt.Sprintf("node %d shows %v: %v, node %d: %v", m.number, n, shown, other.number, theirs))
			}
			if least, ok := floor[ruled][n]; ok && s.rules[m.ruled()].allow(least) && mine.compare(least) < 0 {
				all = append(all, fmt.Sprintf("node %d has %v, though there was %v", m.number, mine, least))
			}
		}
	}
	slices.Sort(all)
	return all
}

func (m *machine) shows(n trust.Name) bool {
	e, _ := m.index.Get(n)
	return e.Shown
}

func (m *machine) record(n trust.Name) trust.Record {
	e, _ := m.index.Get(n)
	return e.Record
}

// held returns what a machine holds of a name; nothing is of version 0.
func (m *machine) held(n trust.Name) signed {
	if r := m.record(n); !r.IsZero() {
		return signedOf(r)
	}
	return signed{name: n}
}

// floor returns, for each configuration, the winners of what the machines that have it hold now. A node passes
// on what it holds and nothing that this supersedes, so what others hold is no promise.
func (s *simulation) floor() map[int]map[trust.Name]signed {
	floor := make(map[int]map[trust.Name]signed)
	for _, m := range s.machines {
		if s.out(m) {
			continue
		}
		ruled := s.configuration(m)
		if floor[ruled] == nil {
			floor[ruled] = make(map[trust.Name]signed)
		}
		for _, n := range s.names {
			held := m.held(n)
			if least, ok := floor[ruled][n]; held.version > 0 && !s.ofMortal(n) && (!ok || held.compare(least) > 0) {
				floor[ruled][n] = held
			}
		}
	}
	return floor
}
