package index_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// A node is an index that is restarted now and then, with a clock of its own.
type node struct {
	*index.Index
	path  string
	clock wall
}

// TestI4WhateverTheOrder gives files, tombstones and files with a lifetime of one name to nodes whose
// clocks differ, in orders that differ, while time passes. A tombstone has no lifetime. In the end all
// nodes are alike, and as Compare says.
func TestI4WhateverTheOrder(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { converge(t, rand.New(rand.NewPCG(seed, 4))) })
		})
	}
}

func converge(t *testing.T, random *rand.Rand) {
	p := policy(t, may{"f": {alice, bob}})
	recs := about(t, p, random)
	nodes := make([]*node, 3)
	for i := range nodes {
		n := &node{path: filepath.Join(t.TempDir(), "index")}
		n.Index = indextest.OpenAt(t, n.path, p, index.Clock(n.clock.now))
		nodes[i] = n
	}
	for range 30 {
		n := nodes[random.IntN(len(nodes))]
		switch random.IntN(6) {
		case 0:
			n.clock.set(time.Now().Add(time.Duration(random.Int64N(int64(6*time.Minute))) - 3*time.Minute))
		case 1:
			n.Index = restarted(t, n.Index, n.path, p, index.Clock(n.clock.now))
		default:
			n.take(t, recs[random.IntN(len(recs))])
		}
		pass(time.Duration(random.Int64N(int64(time.Minute))))
	}
	pass(time.Duration(3+random.IntN(5)) * time.Minute) // then no clock was ever ahead of this moment
	for _, n := range nodes {
		n.clock.set(time.Now())
		for _, i := range random.Perm(len(recs)) {
			n.take(t, recs[i])
		}
	}
	pass(time.Minute)
	winner := slices.MaxFunc(recs, trust.Compare)
	end, mortal := winner.Expires()
	over := mortal && !time.Now().Before(end)
	for i, n := range nodes {
		e := get(t, n.Index, "f")
		if trust.Compare(e.Record, winner) != 0 || e.Expired != over || e.Shown != (!over && !winner.Deleted()) {
			t.Errorf("node %d holds version %d, over %v, shown %v", i, e.Record.Version(), e.Expired, e.Shown)
		}
	}
}

// take offers a record; whatever becomes of it, it is not for want of its content.
func (n *node) take(t *testing.T, r trust.Record) {
	t.Helper()
	out, err := n.Apply("peer", r)
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Seq == 0 {
		t.Errorf("nothing is held, though there was %d: %v", r.Version(), out[0].Err)
	}
}

// about makes records of f. Versions and contents meet, so that each rule of Compare decides at times.
func about(t *testing.T, p *trust.Policy, random *rand.Rand) (recs []trust.Record) {
	n, start := trusttest.Name(t, "f"), now()
	for range 8 {
		content := []byte{"xy"[random.IntN(2)]}
		st := trust.Statement{Name: n, Version: start + trust.Version(random.IntN(5))*trust.Version(time.Minute)}
		switch random.IntN(4) {
		case 0:
			st.Deleted, content = true, nil
		case 1, 2:
			st.TTL = time.Duration(1+random.IntN(12)) * time.Minute
		}
		sig, err := []*trust.Signer{alice, bob}[random.IntN(2)].Sign(trust.DigestOf(content), st)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Verify(trust.NewClaim(n, sig, content), st.Version.Time())
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, r)
	}
	return recs
}

// permutations calls fn with every order of recs.
func permutations(recs []trust.Record, fn func([]trust.Record)) {
	var permute func(k int)
	permute = func(k int) {
		if k == len(recs) {
			fn(slices.Clone(recs))
			return
		}
		for i := k; i < len(recs); i++ {
			recs[k], recs[i] = recs[i], recs[k]
			permute(k + 1)
			recs[k], recs[i] = recs[i], recs[k]
		}
	}
	permute(0)
}

func TestI4EveryOrderEndsTheSame(t *testing.T) {
	p := policy(t, may{"f": {alice, bob}})
	for _, test := range []struct {
		name string
		recs []trust.Record
	}{
		{"ties", []trust.Record{
			trusttest.Record(t, p, alice, "f", []byte("a"), 5),
			trusttest.Record(t, p, bob, "f", []byte("a"), 5),
			trusttest.Record(t, p, alice, "f", []byte("b"), 5),
			trusttest.Record(t, p, bob, "f", []byte("b"), 5),
		}},
		{"tombstone first", []trust.Record{
			trusttest.Record(t, p, alice, "f", []byte("a"), 4),
			trusttest.Tombstone(t, p, bob, "f", 5),
			trusttest.Record(t, p, bob, "f", []byte("a"), 5),
			trusttest.Record(t, p, alice, "f", nil, 5),
		}},
		{"rising", []trust.Record{
			trusttest.Record(t, p, alice, "f", []byte("a"), 1),
			trusttest.Record(t, p, alice, "f", []byte("b"), 2),
			trusttest.Tombstone(t, p, alice, "f", 3),
			trusttest.Record(t, p, bob, "f", []byte("a"), 4),
			trusttest.Record(t, p, bob, "f", []byte("a"), 4),
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			winner := slices.MaxFunc(test.recs, trust.Compare)
			n := 0
			permutations(test.recs, func(order []trust.Record) {
				n++
				ix, err := index.Open(filepath.Join(t.TempDir(), fmt.Sprint(n)), p)
				if err != nil {
					t.Fatal(err)
				}
				defer ix.Close()
				// All in one call, or each in its own and then all again.
				_, err = ix.Apply("", order...)
				if n%2 == 0 {
					for _, r := range order {
						_, err = ix.Apply("", r)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if e := get(t, ix, "f"); trust.Compare(e.Record, winner) != 0 || e.Shown == winner.Deleted() {
					t.Fatalf("order %d: held %+v", n, e)
				}
				if err := ix.Check(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
