package wire

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"dmfs/trust"

	"github.com/google/go-cmp/cmp"
)

// example returns the bytes of an indented block of the package comment, which follows a line that ends so.
func example(t *testing.T, after string) []byte {
	t.Helper()
	src, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, tail, _ := strings.Cut(string(src), after+"\n//\n")
	block, _, _ := strings.Cut(tail, "\n//\n")
	block, _, _ = strings.Cut(block, "\npackage")
	b, err := hex.DecodeString(strings.NewReplacer("//", "", "\t", "", " ", "", "\n", "").Replace(block))
	if err != nil || len(b) == 0 {
		t.Fatalf("no example after %q: %v", after, err)
	}
	return b
}

// TestExampleOfAHead decodes the first example of the package comment.
func TestExampleOfAHead(t *testing.T) {
	got, err := Decode(example(t, "// content \"hi\" and that content inline:"))
	if err != nil {
		t.Fatal(err)
	}
	want := Head{Name: "a", Version: 1, Signature: []byte("s"), Digest: trust.DigestOf([]byte("hi")), Size: 2, Content: []byte("hi")}
	if diff := cmp.Diff(Message(want), got); diff != "" {
		t.Error(diff)
	}
}

func exampleStamp() Stamp {
	return StampOf(1, trust.DigestOf([]byte("hi")), [32]byte(bytes.Repeat([]byte{1}, 32)), false, 0)
}

func frames(t *testing.T, messages ...Message) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range messages {
		if err := Write(&b, m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestExampleOfALeaf says what the second example of the package comment says.
func TestExampleOfALeaf(t *testing.T) {
	key, stamp := KeyOf("a"), exampleStamp()
	want := frames(t,
		Root{Hash: LeafHash([]Key{key}, []Stamp{stamp})},
		Look{Prefixes: []Prefix{{}}},
		Leaf{Items: []Item{{Key: key, Version: 1, Tag: stamp.Tag()}}},
		Want{Keys: []Key{key}})
	if got := example(t, "// when asked for the empty prefix, by a Look, it answers a Leaf; the client then sends a Want:"); !bytes.Equal(got, want) {
		t.Errorf("the example is %x, want %x", got, want)
	}
}

// TestExampleOfANode says what the third one says.
func TestExampleOfANode(t *testing.T) {
	var keys []Key
	for i := range 17 {
		keys = append(keys, KeyOf(fmt.Sprint(i)))
	}
	slices.SortFunc(keys, func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	var node Node
	for i := range node.Children {
		var below []Key
		for _, k := range keys {
			if (Prefix{}).Child(i).Holds(k) {
				below = append(below, k)
			}
		}
		node.Children[i] = LeafHash(below, slices.Repeat([]Stamp{exampleStamp()}, len(below)))
	}
	want := frames(t, Root{Hash: NodeHash(node.Children)}, node)
	if got := example(t, "// its Node:"); !bytes.Equal(got, want) {
		t.Errorf("the example is %x, want %x", got, want)
	}
}

// TestExampleOfAReport checks the signature of the fourth one.
func TestExampleOfAReport(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	want := Report{
		Author: [32]byte(key.Public().(ed25519.PublicKey)),
		Root:   LeafHash([]Key{KeyOf("a")}, []Stamp{exampleStamp()}),
		Moment: 1, Agent: "dmfs/1.0",
	}
	copy(want.Signature[:], ed25519.Sign(key, slices.Concat([]byte("dmfs report\n"), make([]byte, 32), Encode(want)[:1+32+16+8+1+8])))
	got, err := Decode(example(t, "it says so at moment 1 where there is no network:"))
	if diff := cmp.Diff(Message(want), got); diff != "" {
		t.Errorf("%v, %s want %x", err, diff, Encode(want))
	}
	if rep, ok := got.(Report); !ok || !ed25519.Verify(rep.Author[:], rep.Signed([32]byte{}), rep.Signature[:]) {
		t.Error("the author has signed something else")
	}
}

func TestHashesDependOnEverything(t *testing.T) {
	one, two := StampOf(1, [64]byte{}, [32]byte{}, false, 0), StampOf(2, [64]byte{}, [32]byte{}, false, 0)
	seen := map[Hash]string{}
	for name, h := range map[string]Hash{
		"nothing":     LeafHash(nil, nil),
		"leaf":        LeafHash([]Key{{1}, {2}}, []Stamp{one, one}),
		"shorter":     LeafHash([]Key{{1}}, []Stamp{one}),
		"other key":   LeafHash([]Key{{1}, {3}}, []Stamp{one, one}),
		"other stamp": LeafHash([]Key{{1}, {2}}, []Stamp{one, two}),
		"node":        NodeHash([16]Hash{{1}}),
		"other child": NodeHash([16]Hash{1: {1}}),
		"other hash":  NodeHash([16]Hash{{2}}),
	} {
		if other, dup := seen[h]; dup {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
	}
	if LeafHash(nil, nil) != (Hash{}) {
		t.Error("nothing has a hash")
	}
}

func TestStampDependsOnEverything(t *testing.T) {
	seen := make(map[Tag]bool)
	for _, s := range []Stamp{
		StampOf(1, [64]byte{}, [32]byte{}, false, 0), StampOf(2, [64]byte{}, [32]byte{}, false, 0), StampOf(1, [64]byte{1}, [32]byte{}, false, 0),
		StampOf(1, [64]byte{}, [32]byte{1}, false, 0), StampOf(1, [64]byte{}, [32]byte{}, true, 0), StampOf(1, [64]byte{}, [32]byte{}, false, 1),
	} {
		if seen[s.Tag()] {
			t.Errorf("tag %x twice", s.Tag())
		}
		seen[s.Tag()] = true
	}
}

// TestPrefixes: a prefix holds the keys that begin with it, and no others.
func TestPrefixes(t *testing.T) {
	k := Key{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78}
	p := Prefix{}
	for depth := range uint8(MaxDepth) {
		if p = p.Child(k.Half(depth)); p != PrefixOf(k, depth+1) || !p.Holds(k) {
			t.Fatalf("depth %d: %+v", depth+1, p)
		}
		other := k
		other[depth/2] ^= []byte{0x10, 0x01}[depth%2]
		if p.Holds(other) {
			t.Fatalf("depth %d: it holds %x", depth+1, other)
		}
	}
}
