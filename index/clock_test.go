package index_test

import (
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

// A clock that went back hides nothing that was accepted, and is noticed.
func TestClockBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policy(t, may{"f": {alice}})
		patient, err := trust.NewPolicy(trust.Rules{Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "f"): {alice.Public()}}, ClockSkew: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "index")
		var clock wall
		ix := indextest.OpenAt(t, path, p, index.Clock(clock.now))
		behind := func(want time.Duration, absurd bool) {
			t.Helper()
			if by, is := ix.ClockBehind(); by != want || is != absurd {
				t.Errorf("behind by %v, %v; want %v, %v", by, is, want, absurd)
			}
		}
		behind(0, false)
		apply(t, ix, mortal(t, p, "f", "one", now(), time.Hour))
		behind(0, false)
		clock.set(time.Now().Add(-30 * time.Second))
		behind(30*time.Second, false)
		clock.set(time.Now().Add(-30*time.Second - 1))
		behind(30*time.Second+1, true)
		if err := ix.SetPolicy(patient); err != nil {
			t.Fatal(err)
		}
		behind(30*time.Second+1, false)
		clock.set(time.Unix(60, 0))
		ix = restarted(t, ix, path, p, index.Clock(clock.now))
		shows(t, ix, "f", "one")
		if get(t, ix, "f").Seq != 16 {
			t.Error("that was a change")
		}
		behind(time.Since(time.Unix(60, 0)), true)
		clock.set(time.Now().Add(2 * time.Hour)) // put right, after a while
		pass(time.Minute)
		hidden(t, ix, "f")
		behind(0, false)
	})
}

// A single member can say anything; two of them are a reason to doubt this clock.
func TestClockBehindMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := union(t, nil)
		ix := indextest.Open(t, p)
		for i, want := range []time.Duration{0, time.Hour} {
			s := []*trust.Signer{alice, bob}[i]
			c := certificate(t, network, s, fmt.Sprint(i), time.Hour)
			apply(t, ix, published(t, p, s, c, saying(t, mine(s, "ns", ""), now()+trust.Version(time.Duration(2-i)*time.Hour)), "x"))
			if by, _ := ix.ClockBehind(); by != want {
				t.Errorf("after %d members, behind by %v; want %v", i+1, by, want)
			}
		}
	})
}

// What is too far ahead of the clock appears at the first moment at which it is not, also where another
// version is shown until then.
func TestFutureBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := union(t, nil)
		strict := union(t, func(r *trust.Rules) { r.MaxFuture = time.Minute })
		versions := []trust.Record{}
		for _, ahead := range []time.Duration{0, 30 * time.Minute, time.Hour} {
			st := saying(t, "f", now()+trust.Version(ahead))
			versions = append(versions, published(t, p, alice, trust.Chain{}, st, ahead.String()))
		}
		all, last := indextest.Open(t, p), indextest.Open(t, p)
		apply(t, all, versions...)
		apply(t, last, versions[2])
		for _, ix := range []*index.Index{all, last} {
			if err := ix.SetPolicy(strict); err != nil {
				t.Fatal(err)
			}
		}
		hidden(t, last, "f")
		pass(29*time.Minute - 1)
		shows(t, all, "f", "0s")
		pass(1)
		shows(t, all, "f", "30m0s")
		pass(30*time.Minute - 1)
		shows(t, all, "f", "30m0s")
		hidden(t, last, "f")
		pass(1)
		shows(t, all, "f", "1h0m0s")
		shows(t, last, "f", "1h0m0s")
	})
}
