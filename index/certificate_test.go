package index_test

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
)

func TestCertificateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, name := union(t, nil), mine(alice, "ns", "")
		path := filepath.Join(t.TempDir(), "index")
		ix := indextest.OpenAt(t, path, p)
		r := published(t, p, alice, certificate(t, network, alice, "a", time.Hour), saying(t, name, 5), "one")
		apply(t, ix, r, published(t, p, bob, certificate(t, network, bob, "b", 2*time.Hour), saying(t, mine(bob, "ns", ""), 5), "two"))
		changes := count(t, ix)
		pass(time.Hour - 1)
		shows(t, ix, name, "one")
		pass(1)
		hidden(t, ix, name)
		shows(t, ix, mine(bob, "ns", ""), "two")
		if m := ix.Members(); len(m) != 1 || m[0].Name != "b" {
			t.Errorf("members %+v", m)
		}
		offered(t, ix, r, trust.ErrExpired)

		for range 2 { // nothing is new the second time
			renewed := certificate(t, network, alice, "a", 24*time.Hour)
			if err := errors.Join(ix.Learn(renewed), ix.Learn(renewed)); err != nil {
				t.Fatal(err)
			}
		}
		shows(t, ix, name, "one")
		if e := get(t, ix, name); e.Seq != e.Born+3 || e.Inode != e.Born {
			t.Errorf("returned with seq %d, inode %d, born %d", e.Seq, e.Inode, e.Born)
		}
		if got := changes()[name]; got != 3 {
			t.Errorf("a follower saw %d changes", got)
		}
		apply(t, ix, r) // with the old certificate: the node knows a newer one
		same(t, ix, path, p)
	})
}

// A certificate that ends, or is renewed, while nobody looks.
func TestCertificateAcrossRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, name := union(t, nil), mine(alice, "ns", "/sub/file")
		path := filepath.Join(t.TempDir(), "index")
		ix := indextest.OpenAt(t, path, p)
		apply(t, ix, published(t, p, alice, certificate(t, network, alice, "a", time.Hour), saying(t, name, 5), "one"))
		longer := certificate(t, network, alice, "a", 3*time.Hour)
		if err := ix.Learn(longer, certificate(t, network, alice, "a", 2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		ix = restarted(t, ix, path, p)
		pass(2 * time.Hour)
		shows(t, ix, name, "one")
		if c, ok := ix.Certificate(alice.Public().Key); !ok || string(c.DER()) != string(longer.DER()) {
			t.Error("another certificate is kept")
		}
		if err := errors.Join(ix.Check(), ix.Close()); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		ix = indextest.OpenAt(t, path, p)
		hidden(t, ix, name)
		ix = restarted(t, ix, path, p)
		if err := ix.Learn(certificate(t, network, alice, "a", time.Hour)); err != nil {
			t.Fatal(err)
		}
		shows(t, ix, name, "one")
		if e := get(t, ix, name); e.Inode != e.Born {
			t.Errorf("%+v", e)
		}
	})
}

// What a record brings serves all that its signer published.
func TestCertificateTravelsWithRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := union(t, nil)
		ix := indextest.Open(t, p)
		old := certificate(t, network, alice, "a", time.Hour)
		x := published(t, p, alice, old, saying(t, mine(alice, "ns", "/x"), 5), "x")
		apply(t, ix, x, published(t, p, alice, old, saying(t, mine(alice, "deep/ns", ""), 5), "deep"))
		pass(time.Hour)
		hidden(t, ix, mine(alice, "ns", "/x"))
		hidden(t, ix, mine(alice, "deep/ns", ""))
		renewed := certificate(t, network, alice, "a", time.Hour)
		offered(t, ix, published(t, p, alice, renewed, saying(t, mine(alice, "ns", "/x"), 4), "older"), index.ErrOlder)
		shows(t, ix, mine(alice, "ns", "/x"), "x")
		shows(t, ix, mine(alice, "deep/ns", ""), "deep")
	})
}

// A lifetime that ended stays ended, though the certificate is renewed.
func TestLifetimeEndsUnderCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, name := union(t, nil), mine(alice, "ns", "")
		ix := indextest.Open(t, p)
		st := saying(t, name, now())
		st.TTL = 2 * time.Hour
		apply(t, ix, published(t, p, alice, certificate(t, network, alice, "a", time.Hour), st, "brief"))
		renew := func() {
			if err := ix.Learn(certificate(t, network, alice, "a", time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		pass(90 * time.Minute)
		hidden(t, ix, name)
		renew()
		shows(t, ix, name, "brief")
		pass(30 * time.Minute)
		hidden(t, ix, name)
		pass(time.Hour)
		renew()
		hidden(t, ix, name)
	})
}

// A node whose clock is at 1970 goes on to show what it held, and one at 2099 hides it, until a peer
// offers it again to a clock that was put right.
func TestCertificateAndAbsurdClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, name := union(t, nil), mine(alice, "ns", "")
		path := filepath.Join(t.TempDir(), "index")
		var clock wall
		ix := indextest.OpenAt(t, path, p, index.Clock(clock.now))
		r := published(t, p, alice, certificate(t, network, alice, "a", time.Hour), saying(t, name, 5), "one")
		apply(t, ix, r)
		clock.set(time.Unix(60, 0))
		ix = restarted(t, ix, path, p, index.Clock(clock.now))
		shows(t, ix, name, "one")
		if m := ix.Members(); len(m) != 1 {
			t.Errorf("members %+v", m)
		}
		clock.set(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
		pass(time.Minute)
		hidden(t, ix, name)
		clock.set(time.Now())
		apply(t, ix, r)
		shows(t, ix, name, "one")
	})
}
