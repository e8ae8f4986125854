package index_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// expired fails unless this version is held, is over, and says so.
func expired(t testing.TB, ix *index.Index, want trust.Record) {
	t.Helper()
	e := get(t, ix, want.Name().String())
	if e.Shown || !e.Expired || e.Record.IsZero() || trust.Compare(e.Record, want) != 0 {
		t.Fatalf("%s: shown %v, over %v, version %d", e.Name, e.Shown, e.Expired, e.Record.Version())
	}
}

// A node that was away while a version lasted does not show what it superseded.
func TestOverSupersedesUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		first, brief := trusttest.Record(t, p, alice, "f", []byte("first"), now()), mortal(t, p, "f", "brief", now()+1, time.Hour)
		pass(time.Hour + 1)
		for what, late := range map[string]trust.Record{"whole": brief, "head": brief.WithoutContent()} {
			path := filepath.Join(t.TempDir(), "index")
			ix := indextest.OpenAt(t, path, p)
			apply(t, ix, first)
			changes := count(t, ix)
			for range 2 { // nothing is new the second time
				out, err := ix.Apply("peer", late)
				if err != nil {
					t.Fatal(err)
				}
				if is(t, out[0].Err, trust.ErrExpired); out[0].Seq != 17 {
					t.Errorf("%s: %+v", what, out[0])
				}
			}
			expired(t, ix, brief)
			offered(t, ix, first, index.ErrOlder)
			if got := fmt.Sprint(changes()); got != "map[f:2]" {
				t.Errorf("%s: a follower saw %s", what, got)
			}
			ix = restarted(t, ix, path, p)
			expired(t, ix, brief)
			if e := get(t, ix, "f"); e.Seq != 17 || e.Inode != 17 || e.Born != 16 || e.Size != 0 {
				t.Errorf("%s: seq %d, inode %d, born %d, size %d", what, e.Seq, e.Inode, e.Born, e.Size)
			}
			stored(t, ix, 16)
			if _, ok := ix.Pin(17); ok {
				t.Errorf("%s: what is not stored can be pinned", what)
			}
			apply(t, ix, trusttest.Record(t, p, alice, "f", []byte("after"), now()))
			shows(t, ix, "f", "after")
			if h := ix.History(first.Name()); len(h) != 2 || h[1].Version != first.Version() {
				t.Errorf("%s: history %+v", what, h)
			}
		}
	})
}

// Versions that were over when they came go like others, and take no content along that they never had.
func TestOverIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		ix := indextest.Open(t, p)
		start := now()
		pass(time.Hour)
		for v := range trust.Version(6) {
			offered(t, ix, mortal(t, p, "f", "same", start+v, time.Minute), trust.ErrExpired)
		}
		for v := range trust.Version(6) {
			apply(t, ix, trusttest.Record(t, p, alice, "f", []byte("same"), start+6+v))
			shows(t, ix, "f", "same")
		}
		stored(t, ix, 22, 25, 26, 27)
	})
}

// The first that a node hears of a name may be over. It is not shown for a moment first.
func TestOverBeforeAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		ix := indextest.Open(t, p)
		first, brief := trusttest.Record(t, p, alice, "f", []byte("first"), now()), mortal(t, p, "f", "brief", now()+1, time.Hour)
		pass(time.Hour + 1)
		offered(t, ix, brief, trust.ErrExpired)
		offered(t, ix, first, index.ErrOlder)
		expired(t, ix, brief)
		stored(t, ix)
		if ix.Seq() != 16 {
			t.Errorf("%d changes", ix.Seq()-15)
		}
	})
}

// Who offers again what is over by now is ahead of the timer, no more.
func TestOverBeforeTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		var clock wall
		ix := indextest.Open(t, p, index.Clock(clock.now))
		brief := mortal(t, p, "f", "brief", now(), time.Hour)
		apply(t, ix, brief)
		clock.set(time.Now().Add(time.Hour))
		out, err := ix.Apply("peer", brief)
		if err != nil {
			t.Fatal(err)
		}
		if is(t, out[0].Err, trust.ErrExpired); out[0].Seq != 17 {
			t.Errorf("%+v", out[0])
		}
		expired(t, ix, brief)
		pass(time.Minute)
		if ix.Seq() != 17 {
			t.Error("it ended twice")
		}
	})
}

// A policy that does not admit what is over lets an older one return, and goes back on that. An entry
// has a record exactly while the policy admits it, and each turn is a change.
func TestOverUnderPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both, noAlice, none := policy(t, may{"f": {alice, bob}}), policy(t, may{"f": {bob}}), policy(t, may{"g": {alice}})
		path := filepath.Join(t.TempDir(), "index")
		ix := indextest.OpenAt(t, path, both)
		brief := mortal(t, both, "f", "brief", now()+1, time.Hour)
		first := trusttest.Record(t, both, bob, "f", []byte("first"), now())
		pass(2 * time.Hour)
		put := func(p *trust.Policy) {
			t.Helper()
			before := ix.Seq()
			if err := ix.SetPolicy(p); err != nil {
				t.Fatal(err)
			}
			if ix.Seq() != before+1 {
				t.Errorf("%d changes", ix.Seq()-before)
			}
		}
		offered(t, ix, brief, trust.ErrExpired)
		for _, p := range []*trust.Policy{none, noAlice} {
			put(p)
			if e := get(t, ix, "f"); !e.Record.IsZero() || !e.Expired {
				t.Errorf("record %v, over %v", !e.Record.IsZero(), e.Expired)
			}
			put(both)
			expired(t, ix, brief)
		}
		offered(t, ix, first, index.ErrOlder)
		put(noAlice)
		apply(t, ix, first)
		for range 2 {
			shows(t, ix, "f", "first")
			put(both)
			expired(t, ix, brief)
			put(noAlice)
		}
		same(t, ix, path, noAlice)
	})
}

// A certificate that ends takes the record of what is over, and its renewal gives it back. What its
// member signed before stays superseded all the while, though a clock was ahead of both ends.
func TestOverUnderCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, name := union(t, nil), mine(alice, "ns", "")
		var clock wall
		ix := indextest.Open(t, p, index.Clock(clock.now))
		cert := certificate(t, network, alice, "a", 3*time.Hour)
		first := published(t, p, alice, cert, saying(t, name, now()), "first")
		st := saying(t, name, now()+1)
		st.TTL = time.Hour
		brief := published(t, p, alice, cert, st, "brief")
		apply(t, ix, first, brief)
		clock.set(time.Now().Add(4 * time.Hour))
		pass(time.Minute)
		if e := get(t, ix, name); e.Seq != e.Born+2 || !e.Expired || !e.Record.IsZero() {
			t.Errorf("seq %d, over %v, record %v", e.Seq, e.Expired, !e.Record.IsZero())
		}
		clock.set(time.Now())
		offered(t, ix, first, index.ErrOlder)
		offered(t, ix, brief, trust.ErrExpired)
		if err := ix.Learn(certificate(t, network, alice, "a", 5*time.Hour)); err != nil {
			t.Fatal(err)
		}
		expired(t, ix, brief)
		pass(5 * time.Hour)
		hidden(t, ix, name)
		if e := get(t, ix, name); e.Seq != e.Born+4 || !e.Record.IsZero() {
			t.Errorf("seq %d, record %v", e.Seq, !e.Record.IsZero())
		}
	})
}

// What a node has seen to be over stays over, whatever its clock, its policy or its peers say.
func TestOverForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, other := policy(t, may{"f": {alice}}), policy(t, may{"g": {alice}})
		path := filepath.Join(t.TempDir(), "index")
		var clock wall
		ix := indextest.OpenAt(t, path, p, index.Clock(clock.now))
		r := mortal(t, p, "f", "brief", now(), 24*time.Hour)
		apply(t, ix, r)
		changes := count(t, ix)

		clock.set(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
		pass(30 * time.Second)
		hidden(t, ix, "f")
		for _, at := range []time.Time{time.Now(), time.Unix(60, 0), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), time.Now()} {
			clock.set(at)
			pass(time.Minute)
			hidden(t, ix, "f")
			offered(t, ix, r, trust.ErrExpired)
			offered(t, ix, head(t, p, r), trust.ErrExpired)
			hidden(t, ix, "f")
		}
		if got := fmt.Sprint(changes()); got != "map[f:2]" {
			t.Errorf("a follower saw %s", got)
		}
		ix = restarted(t, ix, path, p, index.Clock(clock.now))
		hidden(t, ix, "f")
		if err := errors.Join(ix.SetPolicy(other), ix.SetPolicy(p)); err != nil {
			t.Fatal(err)
		}
		hidden(t, ix, "f")
		offered(t, ix, r, trust.ErrExpired)
		apply(t, ix, mortal(t, p, "f", "again", r.Version()+1, 24*time.Hour))
		shows(t, ix, "f", "again")
	})
}

// It stays over as long as anything of that version is stored, though others were held since.
func TestOverIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice, bob}})
		path := filepath.Join(t.TempDir(), "index")
		var clock wall
		ix := indextest.OpenAt(t, path, p, index.Clock(clock.now))
		start := now()
		r := mortal(t, p, "f", "brief", start, 24*time.Hour)
		apply(t, ix, r)
		ix.Pin(16)
		clock.set(time.Now().Add(48 * time.Hour))
		pass(time.Minute)
		hidden(t, ix, "f")
		clock.set(time.Now())
		for i := range 5 {
			apply(t, ix, trusttest.Record(t, p, bob, "f", fmt.Append(nil, i), start+1+trust.Version(i)))
		}
		stored(t, ix, 16, 17, 20, 21, 22)
		if err := ix.SetPolicy(policy(t, may{"f": {alice}})); err != nil {
			t.Fatal(err)
		}
		hidden(t, ix, "f")
		offered(t, ix, r, trust.ErrExpired)
	})
}
