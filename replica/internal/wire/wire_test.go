package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"dmfs/trust"

	"github.com/google/go-cmp/cmp"
)

// good is one message of every kind, at its limits where it has some.
func good() map[string]Message {
	full := Leaf{}
	for i := range MaxItems {
		full.Items = append(full.Items, Item{Key: Key{byte(i)}, Version: 1<<63 - 1, Tag: Tag{9}})
	}
	var node Node
	for i := range node.Children {
		node.Children[i][i] = 1
	}
	return map[string]Message{
		"head":         Head{Name: "a", Version: 1, Signature: []byte("s"), Size: trust.MaxContent},
		"head empty":   Head{Name: "a", Version: 1, Signature: []byte("s"), Content: []byte{}},
		"head longest": longestHead(),
		"root":         Root{Hash: Hash{1}},
		"look":         longestLook(),
		"look short":   Look{Prefixes: []Prefix{{}, PrefixOf(Key{0xab, 0xcd}, 3)}},
		"node":         node,
		"node of one":  Node{Children: [16]Hash{7: {1}}},
		"leaf":         full,
		"leaf empty":   Leaf{Items: []Item{}},
		"want":         Want{Keys: make([]Key, MaxKeys)},
		"end":          End{},
		"ask":          Ask{Key: Key{8}, Digest: [64]byte{9}, From: trust.MaxContent},
		"offer":        Offer{Held: true, Size: trust.MaxContent},
		"offer none":   Offer{},
		"member":       longestMember(),
		"member none":  Member{Chain: []byte{}},
		"contact":      longestContact(),
		"contact bare": Contact{Envelope: []byte("e"), Chain: []byte{}},
		"report":       Report{Author: [32]byte{1}, Root: Hash{2}, Moment: 1<<63 - 1, Agent: strings.Repeat("a", MaxAgent), Signature: [64]byte{3}},
		"report bare":  Report{Moment: 1},
		"verdict":      Verdict{Reason: OtherKey},
	}
}

func longestMember() Member { return Member{Chain: bytes.Repeat([]byte("c"), MaxChain)} }

func longestContact() Contact {
	return Contact{Envelope: bytes.Repeat([]byte("e"), MaxEnvelope), Chain: bytes.Repeat([]byte("c"), MaxChain)}
}

func longestLook() (l Look) {
	for i := range MaxLook {
		l.Prefixes = append(l.Prefixes, PrefixOf(Key{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, MaxDepth))
	}
	return l
}

func longestHead() Head {
	return Head{
		Name: strings.Repeat("n", trust.MaxName), Version: 1<<63 - 1,
		Signature: bytes.Repeat([]byte("s"), trust.MaxSignature),
		Size:      MaxInline, Content: make([]byte, MaxInline),
	}
}

func TestGoodMessagesSurvive(t *testing.T) {
	for name, m := range good() {
		got, err := Decode(Encode(m))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestLimitsAreTheLongestMessages(t *testing.T) {
	if n := len(Encode(longestHead())); n != MaxMessage {
		t.Errorf("longest head has %d bytes, MaxMessage is %d", n, MaxMessage)
	}
	if n := len(Encode(Want{Keys: make([]Key, MaxKeys)})); n != MaxRequest {
		t.Errorf("longest want has %d bytes, MaxRequest is %d", n, MaxRequest)
	}
	if n := len(Encode(longestLook())); n > MaxRequest {
		t.Errorf("longest look has %d bytes, MaxRequest is %d", n, MaxRequest)
	}
	for _, name := range []string{"node", "leaf"} {
		if n := len(Encode(good()[name])); n > MaxPart || name == "leaf" && n < MaxPart {
			t.Errorf("longest %s has %d bytes, MaxPart is %d", name, n, MaxPart)
		}
	}
	if n := len(Encode(longestContact())); n != MaxContact {
		t.Errorf("longest contact has %d bytes, MaxContact is %d", n, MaxContact)
	}
	if n := len(Encode(longestMember())); n != MaxMember {
		t.Errorf("longest member has %d bytes, MaxMember is %d", n, MaxMember)
	}
}

// TestMaxChainIsWhatTrustTakes: what is longer is refused there for its length alone.
func TestMaxChainIsWhatTrustTakes(t *testing.T) {
	for n, want := range map[int]error{MaxChain: trust.ErrMalformed, MaxChain + 1: trust.ErrTooLarge} {
		if _, err := trust.ParseChainDER(make([]byte, n)); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestEveryPrefixAndSuffixIsRefused(t *testing.T) {
	for name, m := range good() {
		b := Encode(m)
		step := 1 + len(b)/500
		for n := 0; n < len(b); n += step {
			if _, err := Decode(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: prefix of %d bytes: %v", name, n, err)
			}
		}
		if _, err := Decode(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: trailing byte: %v", name, err)
		}
	}
}

func TestBadFieldsAreRefused(t *testing.T) {
	head := Head{Name: "a", Version: 1, Signature: []byte("s")}
	change := func(f func(*Head)) Message { h := head; f(&h); return h }
	for name, m := range map[string]Message{
		"no name":             change(func(h *Head) { h.Name = "" }),
		"long name":           change(func(h *Head) { h.Name = strings.Repeat("n", trust.MaxName+1) }),
		"version 0":           change(func(h *Head) { h.Version = 0 }),
		"version negative":    change(func(h *Head) { h.Version = -1 }),
		"no signature":        change(func(h *Head) { h.Signature = nil }),
		"long signature":      change(func(h *Head) { h.Signature = make([]byte, trust.MaxSignature+1) }),
		"long content":        change(func(h *Head) { h.Size = trust.MaxContent + 1 }),
		"long inline":         change(func(h *Head) { h.Size = MaxInline + 1; h.Content = make([]byte, MaxInline+1) }),
		"content and size":    change(func(h *Head) { h.Size = 1; h.Content = []byte("ab") }),
		"equal keys":          Leaf{Items: []Item{{Version: 1}, {Version: 1}}},
		"item of version 0":   Leaf{Items: []Item{{}}},
		"too many items":      Leaf{Items: make([]Item, MaxItems+1)},
		"look at nothing":     Look{},
		"too many prefixes":   Look{Prefixes: make([]Prefix, MaxLook+1)},
		"too deep":            Look{Prefixes: []Prefix{{Depth: MaxDepth + 1}}},
		"bits behind":         Look{Prefixes: []Prefix{{Depth: 1, Bits: Key{0x01}}}},
		"node of nothing":     Node{},
		"want of nothing":     Want{},
		"too many keys":       Want{Keys: make([]Key, MaxKeys+1)},
		"size of what is not": Offer{Size: 1},
		"far in":              Ask{From: trust.MaxContent + 1},
		"long offer":          Offer{Held: true, Size: trust.MaxContent + 1},
		"long member":         Member{Chain: make([]byte, MaxChain+1)},
		"no envelope":         Contact{},
		"long envelope":       Contact{Envelope: make([]byte, MaxEnvelope+1)},
		"contact's chain":     Contact{Envelope: []byte("e"), Chain: make([]byte, MaxChain+1)},
		"no moment":           Report{},
		"late moment":         Report{Moment: -1},
		"long agent":          Report{Moment: 1, Agent: strings.Repeat("a", MaxAgent+1)},
		"agent in colour":     Report{Moment: 1, Agent: "\x1b[31m"},
		"unknown reason":      Verdict{Reason: OtherKey + 1},
	} {
		if _, err := Decode(Encode(m)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range []string{"10", "2f", "21", "25ffff", "1b0002" + "00", "1c0001" + strings.Repeat("00", 16), "1c0003" + strings.Repeat("01", 16), "1802" + "00000000"} {
		raw, _ := hex.DecodeString(b)
		if _, err := Decode(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", b, err)
		}
	}
}

func TestFrames(t *testing.T) {
	var buf bytes.Buffer
	for _, m := range []Message{End{}, longestHead(), Ask{}} {
		if err := Write(&buf, m); err != nil {
			t.Fatal(err)
		}
	}
	buf.WriteString("rest")
	r := bufio.NewReader(&buf)
	for range 3 {
		if _, err := Read(r, MaxMessage); err != nil {
			t.Fatal(err)
		}
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("after the frames: %q", rest)
	}
}

func TestBadFramesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"nothing":       {"", io.EOF},
		"half a length": {"\x80", io.ErrUnexpectedEOF},
		"half a body":   {"\x02\x16", io.ErrUnexpectedEOF},
		"no body":       {"\x01", io.ErrUnexpectedEOF},
		"length 0":      {"\x00", ErrMalformed},
		"not minimal":   {"\x81\x00\x16", ErrMalformed},
		"huge":          {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ErrMalformed},
		"over the max":  {"\x41" + strings.Repeat("\x16", 0x41), ErrMalformed},
	} {
		if _, err := Read(bufio.NewReader(strings.NewReader(c.in)), 64); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzDecode: what decodes encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	for _, m := range good() {
		f.Add(Encode(m))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("strange error: %v", err)
			}
			return
		}
		if again := Encode(m); !bytes.Equal(again, b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

// FuzzRead: a frame that reads writes to the same bytes.
func FuzzRead(f *testing.F) {
	for _, m := range good() {
		var buf bytes.Buffer
		if err := Write(&buf, m); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		m, err := Read(r, MaxMessage)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		var buf bytes.Buffer
		if err := Write(&buf, m); err != nil || !bytes.Equal(append(buf.Bytes(), rest...), b) {
			t.Fatalf("%x became %x: %v", b, buf.Bytes(), err)
		}
	})
}
