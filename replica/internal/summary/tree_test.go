package summary

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"dmfs/replica/internal/wire"
)

// entry makes one whose key comes from few, so that keys share long prefixes.
func entry(r *rand.Rand) Entry {
	var k wire.Key
	for i := range k {
		k[i] = []byte{0, 1, 0x10, 0xff}[r.IntN(4)] & []byte{0xff, 0, 0, 0xff}[min(i, 3)]
	}
	k[11] = byte(r.IntN(256))
	v := r.Int64N(5) + 1
	return Entry{Key: k, Version: v, Stamp: wire.StampOf(v, [64]byte{k[11]}, [32]byte{}, false, 0), Name: fmt.Sprintf("%x", k)}
}

// rangeHash is the definition of package wire, computed anew.
func rangeHash(entries []Entry, p wire.Prefix) wire.Hash {
	var keys []wire.Key
	var stamps []wire.Stamp
	for _, e := range entries {
		if p.Holds(e.Key) {
			keys, stamps = append(keys, e.Key), append(stamps, e.Stamp)
		}
	}
	if len(keys) <= wire.MaxItems {
		return wire.LeafHash(keys, stamps)
	}
	var children [16]wire.Hash
	for i := range children {
		children[i] = rangeHash(entries, p.Child(i))
	}
	return wire.NodeHash(children)
}

// TestTreeIsWhatItHolds: whatever was put and removed on the way, the hashes are those of the entries.
func TestTreeIsWhatItHolds(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var tree Tree
	model := make(map[wire.Key]Entry)
	for step := range 1500 {
		e := entry(r)
		before, hash := tree, tree.Hash()
		if shrink := step%500 > 300; shrink && r.IntN(8) > 0 {
			for k := range model {
				e.Key = k
				break
			}
			tree = tree.Remove(e.Key)
			delete(model, e.Key)
		} else {
			tree = tree.Put(e)
			model[e.Key] = e
		}
		if before.Hash() != hash || before.root != nil && before.root.sum() != hash {
			t.Fatalf("seed %d, step %d: the tree before has changed", seed, step)
		}
		if step%100 == 0 || len(model) < 20 {
			compare(t, tree, model, fmt.Sprintf("seed %d, step %d", seed, step))
		}
	}
}

func compare(t *testing.T, tree Tree, model map[wire.Key]Entry, when string) {
	t.Helper()
	all := slices.SortedFunc(maps.Values(model), func(a, b Entry) int { return slices.Compare(a.Key[:], b.Key[:]) })
	if tree.Len() != len(all) {
		t.Fatalf("%s: %d entries, want %d", when, tree.Len(), len(all))
	}
	for _, e := range all {
		if got, ok := tree.Get(e.Key); !ok || got != e {
			t.Fatalf("%s: %x: %+v, want %+v", when, e.Key, got, e)
		}
	}
	if len(all) == 0 {
		all = []Entry{{}}
	}
	for depth := range uint8(wire.MaxDepth + 1) {
		p := wire.PrefixOf(all[len(all)/2].Key, depth)
		if len(model) > 0 && tree.At(p).Hash() != rangeHash(all, p) {
			t.Fatalf("%s: wrong hash below %+v", when, p)
		}
		leaf, ok := tree.At(p).Message().(wire.Leaf)
		if below := slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return !p.Holds(e.Key) || len(model) == 0 }); ok && len(leaf.Items) != len(below) || !ok && len(below) <= wire.MaxItems {
			t.Fatalf("%s: wrong answer below %+v", when, p)
		}
	}
}

// BenchmarkPut: what one change costs in a tree of n names.
func BenchmarkPut(b *testing.B) {
	for _, n := range []int{100, 10_000, 65_536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var tree Tree
			for i := range n {
				tree = tree.Put(Entry{Key: wire.KeyOf(fmt.Sprint(i))})
			}
			for i := 0; b.Loop(); i++ {
				tree = tree.Put(Entry{Key: wire.KeyOf(fmt.Sprint(i % n)), Version: int64(i)})
			}
		})
	}
}
