package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"dmfs/trust"

	"github.com/google/go-cmp/cmp"
)

// good is one message of every kind, at its limits where it has some.
func good() map[string]Message {
	full := Page{Last: true}
	for i := range MaxItems {
		it := Item{Version: 1<<63 - 1}
		binary.BigEndian.PutUint16(it.Key[:], uint16(i))
		full.Items = append(full.Items, it)
	}
	return map[string]Message{
		"head":         Head{Name: "a", Version: 1, Signature: []byte("s"), Size: trust.MaxContent},
		"head empty":   Head{Name: "a", Version: 1, Signature: []byte("s"), Content: []byte{}},
		"head longest": longestHead(),
		"hello":        Hello{Root: [32]byte{1}, Count: 7, Settled: [32]byte{2}},
		"root":         Root{Root: [32]byte{1}, Count: 1<<32 - 1},
		"page":         full,
		"page empty":   Page{Items: []Item{}},
		"want":         Want{Keys: make([]Key, MaxKeys)},
		"end":          End{},
		"ask":          Ask{Digest: [64]byte{9}},
		"offer":        Offer{Held: true, Size: trust.MaxContent},
		"offer none":   Offer{},
		"member":       longestMember(),
		"member none":  Member{Chain: []byte{}},
		"verdict":      Verdict{Reason: OtherKey},
	}
}

func longestMember() Member { return Member{Chain: bytes.Repeat([]byte("c"), MaxChain)} }

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
		"equal keys":          Page{Items: []Item{{Version: 1}, {Version: 1}}},
		"item of version 0":   Page{Items: []Item{{}}},
		"too many items":      Page{Items: make([]Item, MaxItems+1)},
		"want of nothing":     Want{},
		"too many keys":       Want{Keys: make([]Key, MaxKeys+1)},
		"size of what is not": Offer{Size: 1},
		"long offer":          Offer{Held: true, Size: trust.MaxContent + 1},
		"long member":         Member{Chain: make([]byte, MaxChain+1)},
		"unknown reason":      Verdict{Reason: OtherKey + 1},
	} {
		if _, err := Decode(Encode(m)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range []string{"10", "1b", "21", "15ffff", "1401ffff", "1802" + "00000000"} {
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

// TestExample decodes the example of the package comment.
func TestExample(t *testing.T) {
	src, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, tail, _ := strings.Cut(string(src), "// content \"hi\" and that content inline:\n//\n")
	tail, _, _ = strings.Cut(tail, "package wire")
	b, err := hex.DecodeString(strings.NewReplacer("//", "", "\t", "", " ", "", "\n", "").Replace(tail))
	if err != nil || len(b) == 0 {
		t.Fatalf("no example in doc.go: %v", err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Head{Name: "a", Version: 1, Signature: []byte("s"), Digest: trust.DigestOf([]byte("hi")), Size: 2, Content: []byte("hi")}
	if diff := cmp.Diff(Message(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestRootDependsOnEverything(t *testing.T) {
	base := []Item{{Key: Key{1}, Version: 1}, {Key: Key{2}, Version: 1}}
	seen := map[[32]byte]string{RootOf(base): "base", RootOf(nil): "none"}
	for name, items := range map[string][]Item{
		"shorter": base[:1],
		"key":     {{Key: Key{1}, Version: 1}, {Key: Key{3}, Version: 1}},
		"version": {{Key: Key{1}, Version: 1}, {Key: Key{2}, Version: 2}},
		"tag":     {{Key: Key{1}, Version: 1}, {Key: Key{2}, Version: 1, Tag: [8]byte{1}}},
	} {
		root := RootOf(items)
		if other, dup := seen[root]; dup {
			t.Errorf("%s and %s have one root", name, other)
		}
		seen[root] = name
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

func TestTagDependsOnEverything(t *testing.T) {
	seen := make(map[[8]byte]bool)
	for _, tag := range [][8]byte{
		TagOf([64]byte{}, [32]byte{}, false, 0), TagOf([64]byte{1}, [32]byte{}, false, 0),
		TagOf([64]byte{}, [32]byte{1}, false, 0), TagOf([64]byte{}, [32]byte{}, true, 0), TagOf([64]byte{}, [32]byte{}, false, 1),
	} {
		if seen[tag] {
			t.Errorf("tag %x twice", tag)
		}
		seen[tag] = true
	}
}
