package trust_test

import (
	"bytes"
	"encoding/base64"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestMangledSignatures changes each byte of a good signature to every other, and cuts it
// anywhere. Only what nobody signs may change: the untrusted comment, which is not kept, and the
// key id, which is a hint.
func TestMangledSignatures(t *testing.T) {
	s, n, content := trusttest.Signer(1), trusttest.Name(t, "dns/cnames"), []byte("content")
	p, now := trusttest.Policy(t, s, n.String()), time.Unix(2, 0)
	good := trusttest.Sign(t, s, n.String(), content, 1e9+1)
	comment := bytes.IndexByte(good, '\n') // of the untrusted comment's line
	id, idEnd := comment+1+2, comment+1+14 // characters of base64 that hold bits of the id
	want, err := p.Verify(trust.NewClaim(n, good, content), now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		if _, err := p.Verify(trust.NewClaim(n, good[:i], content), now); (err == nil) != (i == len(good)-1) {
			t.Errorf("the first %d of %d bytes: %v", i, len(good), err)
		}
		for b := range 256 {
			if good[i] == byte(b) || raceBuild() && !oneBit(good[i]^byte(b)) {
				continue
			}
			bad := bytes.Clone(good)
			bad[i] = byte(b)
			got, err := p.Verify(trust.NewClaim(n, bad, content), now)
			switch {
			case err != nil && i < comment && i >= len("untrusted comment: ") && b != '\n' && b != '\r':
				t.Errorf("byte %d of the untrusted comment as %q: %v", i, byte(b), err)
			case err == nil && i < comment && !bytes.Equal(got.Signature(), want.Signature()):
				t.Errorf("byte %d as %q: the untrusted comment was kept", i, byte(b))
			case err == nil && i > comment && (i < id || i >= idEnd):
				t.Errorf("byte %d as %q is accepted", i, byte(b))
			case err == nil && trust.Compare(got, want) != 0:
				t.Errorf("byte %d as %q gives another record", i, byte(b))
			}
		}
	}
	for _, extra := range []string{"\n", "x", "\nx", " ", "\r\n"} {
		if _, err := p.Verify(trust.NewClaim(n, append(bytes.Clone(good), extra...), content), now); err == nil {
			t.Errorf("%q behind the signature is accepted", extra)
		}
	}
}

// raceBuild reports whether the race detector, under which ED25519 takes ten times as long, is on.
var raceBuild = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})

func oneBit(b byte) bool { return b&(b-1) == 0 }

func TestUntrustedCommentIsNotKept(t *testing.T) {
	s, content := trusttest.Signer(1), []byte("content")
	good := trusttest.Sign(t, s, "a", content, 1)
	hostile := append([]byte("untrusted comment: \x1b]0;run me\a"), good[bytes.IndexByte(good, '\n'):]...)
	r, err := trusttest.Policy(t, s, "a").Verify(trust.NewClaim(trusttest.Name(t, "a"), hostile, content), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Signature(), good) {
		t.Errorf("kept:\n%q\nwant:\n%q", r.Signature(), good)
	}
}

func TestTrustedComments(t *testing.T) {
	s, n := trusttest.Signer(1), trusttest.Name(t, "a")
	p := trusttest.Policy(t, s, "a")
	network := base64.RawURLEncoding.EncodeToString(s.Ed25519()[32:])
	for _, c := range []struct {
		what, comment string
		version       trust.Version
		ttl           time.Duration
		deleted       bool
	}{
		{"stock minisign", "timestamp:1795383073\tfile:a\thashed", 1795383073e9, 0, false},
		{"nanoseconds", "timestamp:1795383073.441681534\tfile:a", 1795383073441681534, 0, false},
		{"one digit", "timestamp:1.5\tfile:a", 1.5e9, 0, false},
		{"first version", "timestamp:0.000000001\tfile:a", 1, 0, false},
		{"last version", "timestamp:9223372036.854775807\tfile:a", math.MaxInt64, 0, false},
		{"any order", "hashed\tfile:a\ttimestamp:1", 1e9, 0, false},
		{"network that nobody asks for", "timestamp:1\tfile:a\tnetwork:" + network, 1e9, 0, false},
		{"lifetime as duration", "timestamp:1\tfile:a\tttl:1h30m", 1e9, 90 * time.Minute, false},
		{"lifetime in seconds", "timestamp:1\tfile:a\tttl:3600", 1e9, time.Hour, false},
		{"longest lifetime", "timestamp:9223372036\tfile:a\tttl:9223372036", 9223372036e9, 9223372036e9, false},
		{"unknown tokens", "timestamp:1\tfile:a\tfuture:yes:no\tbare", 1e9, 0, false},
		{"tombstone", "timestamp:1\tfile:a\tdeleted", 1e9, 0, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			r, err := p.Verify(trust.NewClaim(n, forge(t, s, c.comment, nil), nil), time.Unix(2, 0))
			if err != nil {
				t.Fatal(err)
			}
			if r.Version() != c.version || r.TTL() != c.ttl || r.Deleted() != c.deleted {
				t.Errorf("version %d, ttl %v, deleted %v", r.Version(), r.TTL(), r.Deleted())
			}
		})
	}
}

func TestTrustedCommentsRefused(t *testing.T) {
	s, n := trusttest.Signer(1), trusttest.Name(t, "a")
	p := trusttest.Policy(t, s, "a")
	for what, comment := range map[string]string{
		"empty":                    "",
		"no timestamp":             "file:a\thashed",
		"timestamp twice":          "timestamp:1\ttimestamp:1\tfile:a",
		"file twice":               "timestamp:1\tfile:a\tfile:b",
		"unknown token twice":      "timestamp:1\tfile:a\tx:1\tx:2",
		"bare and valued":          "timestamp:1\tfile:a\tx\tx:2",
		"empty token":              "timestamp:1\t\tfile:a",
		"tab in front":             "\ttimestamp:1\tfile:a",
		"tab behind":               "timestamp:1\tfile:a\t",
		"spaces between":           "timestamp:1 file:a",
		"version zero":             "timestamp:0\tfile:a",
		"version zero, fraction":   "timestamp:0.000000000\tfile:a",
		"version negative":         "timestamp:-1\tfile:a",
		"version with plus":        "timestamp:+1\tfile:a",
		"version too late":         "timestamp:9223372036.854775808\tfile:a",
		"version much too late":    "timestamp:99999999999999999999\tfile:a",
		"version without value":    "timestamp\tfile:a",
		"version empty":            "timestamp:\tfile:a",
		"version hexadecimal":      "timestamp:0x1\tfile:a",
		"version with exponent":    "timestamp:1e3\tfile:a",
		"fraction empty":           "timestamp:1.\tfile:a",
		"fraction alone":           "timestamp:.5\tfile:a",
		"fraction of ten digits":   "timestamp:1.0000000001\tfile:a",
		"fraction signed":          "timestamp:1.-5\tfile:a",
		"digits of other scripts":  "timestamp:١\tfile:a",
		"file without value":       "timestamp:1\tfile",
		"file empty":               "timestamp:1\tfile:",
		"network short":            "timestamp:1\tfile:a\tnetwork:AAAA",
		"network zero":             "timestamp:1\tfile:a\tnetwork:" + strings.Repeat("A", 43),
		"network padded":           "timestamp:1\tfile:a\tnetwork:" + base64.URLEncoding.EncodeToString(s.Ed25519()[32:]),
		"lifetime zero":            "timestamp:1\tfile:a\tttl:0s",
		"lifetime negative":        "timestamp:1\tfile:a\tttl:-1h",
		"lifetime empty":           "timestamp:1\tfile:a\tttl:",
		"lifetime without unit":    "timestamp:1\tfile:a\tttl:1.5",
		"lifetime too long":        "timestamp:1\tfile:a\tttl:9999999999999",
		"deleted with value":       "timestamp:1\tfile:a\tdeleted:no",
		"deleted with lifetime":    "timestamp:1\tfile:a\tdeleted\tttl:1h",
		"hashed with value":        "timestamp:1\tfile:a\thashed:no",
		"control character":        "timestamp:1\tfile:a\tx:\x1b[1m",
		"carriage return":          "timestamp:1\tfile:a\tx\r",
		"control character U+0085": "timestamp:1\tfile:a\tx:\u0085",
		"not UTF-8":                "timestamp:1\tfile:a\tx:\xff",
		"too long":                 "timestamp:1\tfile:a\tx:" + strings.Repeat("x", 2048),
	} {
		t.Run(what, func(t *testing.T) {
			_, err := p.Verify(trust.NewClaim(n, forge(t, s, comment, nil), nil), time.Unix(1, 0))
			wantRefusal(t, err, trust.ErrMalformed)
		})
	}
}

func TestVersionsThereAndBack(t *testing.T) {
	s, n := trusttest.Signer(1), trusttest.Name(t, "a")
	p := trusttest.Policy(t, s, "a")
	for _, v := range []trust.Version{1, 999_999_999, 1e9, 1e9 + 1, 1795383073441681534, 1795383073000000100, math.MaxInt64} {
		r, err := p.Verify(trust.NewClaim(n, trusttest.Sign(t, s, "a", nil, v), nil), v.Time())
		if err != nil || r.Version() != v || trust.VersionAt(v.Time()) != v {
			t.Errorf("%d came back as %d, %v", v, r.Version(), err)
		}
	}
}
