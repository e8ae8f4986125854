package trust_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestVerdicts has a row for every way in which a claim fails, and some in which it does not.
func TestVerdicts(t *testing.T) {
	alice, bob, eve := trusttest.Signer(1), trusttest.Signer(2), trusttest.Signer(3)
	network, foreign := trusttest.Signer(8).Public().Key, trusttest.Signer(9).Public().Key
	n, other, below := trusttest.Name(t, "a"), trusttest.Name(t, "b"), trusttest.Name(t, "dir/a")
	p := newPolicy(t, trust.Rules{Network: network, Files: map[trust.Name][]trust.PublicKey{
		n: {alice.Public()}, below: {alice.Public(), bob.Public()}, other: {bob.Public()},
	}})
	content, changed := []byte("content"), []byte("changed")
	at := time.Unix(1000, 0)
	sign := func(s *trust.Signer, content []byte, st trust.Statement) []byte {
		st.Version = cmpOr(st.Version, 900e9)
		st.Name = cmpOr(st.Name, n)
		st.Network = cmpOr(st.Network, network)
		sig, err := s.Sign(trust.DigestOf(content), st)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	good := sign(alice, content, trust.Statement{})
	for _, c := range []struct {
		what    string
		name    trust.Name
		sig     []byte
		content []byte
		want    error
	}{
		{"good", n, good, content, nil},
		{"good in a directory, second key", below, sign(bob, content, trust.Statement{Name: below}), content, nil},
		{"good, no final line feed", n, good[:len(good)-1], content, nil},
		{"good, other key id", n, withID(good, 7), content, nil},
		{"good, empty content", n, sign(alice, nil, trust.Statement{}), nil, nil},
		{"good tombstone", n, sign(alice, nil, trust.Statement{Deleted: true}), nil, nil},
		{"good, last moment", n, sign(alice, content, trust.Statement{TTL: 100*time.Second + 1}), content, nil},
		{"good, longest content", n, sign(alice, make([]byte, trust.MaxContent), trust.Statement{}), make([]byte, trust.MaxContent), nil},

		{"zero name", trust.Name{}, good, content, trust.ErrName},
		{"content too long", n, good, make([]byte, trust.MaxContent+1), trust.ErrTooLarge},
		{"content too long for a name without entry", trusttest.Name(t, "c"), good, make([]byte, trust.MaxContent+1), trust.ErrTooLarge},
		{"signature too long", n, append(bytes.Clone(good), make([]byte, trust.MaxSignature)...), content, trust.ErrTooLarge},
		{"signature empty", n, nil, content, trust.ErrMalformed},
		{"signature garbage", n, []byte("garbage\n"), content, trust.ErrMalformed},
		{"signature swapped with content", n, content, good, trust.ErrMalformed},
		{"old kind", n, bytes.Replace(good, []byte("\nRU"), []byte("\nRW"), 1), content, trust.ErrMalformed},
		{"malformed for a name without entry", trusttest.Name(t, "c"), nil, content, trust.ErrMalformed},
		{"no entry, known key", trusttest.Name(t, "c"), good, content, trust.ErrNotAllowed},
		{"no entry, unknown key", trusttest.Name(t, "c"), sign(eve, content, trust.Statement{}), content, trust.ErrNotAllowed},
		{"directory is no entry", trusttest.Name(t, "dir"), good, content, trust.ErrNotAllowed},
		{"content changed", n, good, changed, trust.ErrMismatch},
		{"content empty", n, good, nil, trust.ErrMismatch},
		{"comment changed", n, bytes.Replace(good, []byte("timestamp:9"), []byte("timestamp:8"), 1), content, trust.ErrMismatch},
		{"comment changed, other key id", n, withID(bytes.Replace(good, []byte("timestamp:9"), []byte("timestamp:8"), 1), 7), content, trust.ErrMismatch},
		{"content changed, other key id", n, withID(good, 7), changed, trust.ErrMismatch},
		{"both signatures changed", n, flip(flip(good, 1), 3), content, trust.ErrMismatch},
		{"first half of another signature", n, splice(good, sign(alice, changed, trust.Statement{})), changed, trust.ErrMismatch},
		{"halves of two keys of the name", below, splice(sign(alice, content, trust.Statement{Name: below}), sign(bob, content, trust.Statement{Name: below})), content, trust.ErrMismatch},
		{"another signer with this id", n, withID(sign(eve, content, trust.Statement{}), alice.Public().ID), content, trust.ErrMismatch},
		{"key of another name", n, sign(bob, content, trust.Statement{}), content, trust.ErrNotAllowed},
		{"key of another name, other key id", n, withID(sign(bob, content, trust.Statement{}), 7), content, trust.ErrNotAllowed},
		{"unknown key", n, sign(eve, content, trust.Statement{}), content, trust.ErrUnknownKey},
		{"unknown key with the id of another name's", n, withID(sign(eve, content, trust.Statement{}), bob.Public().ID), content, trust.ErrUnknownKey},
		{"for another name", n, sign(alice, content, trust.Statement{Name: other}), content, trust.ErrMismatch},
		{"for the base of the name", below, sign(alice, content, trust.Statement{}), content, trust.ErrMismatch},
		{"for no name", n, forge(t, alice, "timestamp:1", content), content, trust.ErrMismatch},
		{"for another network", n, sign(alice, content, trust.Statement{Network: foreign}), content, trust.ErrMismatch},
		{"for no network", n, trusttest.Sign(t, alice, "a", content, 1), content, trust.ErrMismatch},
		{"expired", n, sign(alice, content, trust.Statement{TTL: 100 * time.Second}), content, trust.ErrExpired},
		{"expired, for another name", n, sign(alice, content, trust.Statement{TTL: 1, Name: other}), content, trust.ErrMismatch},
		{"expired, content changed", n, sign(alice, content, trust.Statement{TTL: 1}), changed, trust.ErrMismatch},
		{"tombstone with content", n, forge(t, alice, tombstone(network), content), content, trust.ErrMismatch},
	} {
		t.Run(c.what, func(t *testing.T) {
			r, err := p.Verify(trust.NewClaim(c.name, c.sig, c.content), at)
			// What a head is refused for does not depend on where its digest came from.
			_, headErr := p.Verify(trust.NewHead(c.name, c.sig, trust.DigestOf(c.content)), at)
			if c.want == nil {
				if err != nil || r.IsZero() || r.Name() != c.name || headErr != nil {
					t.Errorf("refused: %v, head: %v", err, headErr)
				}
				return
			}
			wantRefusal(t, err, c.want)
			if len(c.content) <= trust.MaxContent {
				wantRefusal(t, headErr, c.want)
			}
			if over := c.want == trust.ErrExpired; r.IsZero() == over {
				t.Errorf("refused, and gave %+v", r)
			}
		})
	}
}

func cmpOr[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

func TestExamine(t *testing.T) {
	alice, eve, bob := trusttest.Signer(1), trusttest.Signer(3), trusttest.Signer(2)
	n, other := trusttest.Name(t, "a"), trusttest.Name(t, "b")
	p := newPolicy(t, trust.Rules{Files: map[trust.Name][]trust.PublicKey{n: {alice.Public()}, other: {bob.Public()}}})
	content := []byte("x")
	good := trusttest.Sign(t, alice, "a", content, 5e9)
	got, err := p.Examine(n, good, time.Unix(6, 0))
	if want := (trust.Statement{Name: n, Version: 5e9}); err != nil || got != want {
		t.Errorf("Examine = %+v, %v; want %+v", got, err, want)
	}
	got, err = p.Examine(n, forge(t, alice, "timestamp:5\tfile:a\tdeleted", nil), time.Unix(6, 0))
	if err != nil || !got.Deleted {
		t.Errorf("tombstone: %+v, %v", got, err)
	}
	for _, c := range []struct {
		what string
		name trust.Name
		sig  []byte
		want error
	}{
		{"zero name", trust.Name{}, good, trust.ErrName},
		{"garbage", n, []byte("x"), trust.ErrMalformed},
		{"no entry", trusttest.Name(t, "c"), good, trust.ErrNotAllowed},
		{"changed", n, flip(good, 3), trust.ErrMismatch},
		{"changed where it signs the content", n, flip(good, 1), trust.ErrMismatch},
		{"other name's key", n, trusttest.Sign(t, bob, "a", content, 1), trust.ErrNotAllowed},
		{"unknown key", n, trusttest.Sign(t, eve, "a", content, 1), trust.ErrUnknownKey},
		{"other name", n, trusttest.Sign(t, alice, "b", content, 1), trust.ErrMismatch},
		{"expired", n, forge(t, alice, "timestamp:1\tfile:a\tttl:1", content), trust.ErrExpired},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := p.Examine(c.name, c.sig, time.Unix(6, 0))
			wantRefusal(t, err, c.want)
			if got != (trust.Statement{}) {
				t.Errorf("refused, but gave %+v", got)
			}
		})
	}
}

// TestHeads proves a signature by the digest alone and adds the content later.
func TestHeads(t *testing.T) {
	s, n, content := trusttest.Signer(1), trusttest.Name(t, "a"), []byte("content")
	p := trusttest.Policy(t, s, "a")
	sig := trusttest.Sign(t, s, "a", content, 1)
	if _, err := p.Verify(trust.NewHead(n, sig, trust.DigestOf([]byte("other"))), time.Unix(1, 0)); err == nil {
		t.Fatal("a head with another digest is accepted")
	}
	head, err := p.Verify(trust.NewHead(n, sig, trust.DigestOf(content)), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := head.Content(); ok || got != nil {
		t.Errorf("a head has content %q", got)
	}
	_, err = head.WithContent([]byte("other"))
	wantRefusal(t, err, trust.ErrMismatch)
	_, err = head.WithContent(make([]byte, trust.MaxContent+1))
	wantRefusal(t, err, trust.ErrTooLarge)
	whole, err := head.WithContent(content)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := whole.Content(); !ok || !bytes.Equal(got, content) {
		t.Errorf("content %q, %v", got, ok)
	}
	if got, ok := whole.WithoutContent().Content(); ok || got != nil {
		t.Errorf("without content: %q", got)
	}
	if trust.Compare(head, whole) != 0 {
		t.Error("the content changes what the record says")
	}
}

func TestTombstonesAlwaysHaveTheirContent(t *testing.T) {
	s := trusttest.Signer(1)
	r := trusttest.Tombstone(t, trusttest.Policy(t, s, "a"), s, "a", 1)
	for _, r := range []trust.Record{r, r.WithoutContent()} {
		if got, ok := r.Content(); !ok || len(got) != 0 || !r.Deleted() {
			t.Errorf("content %q, %v; deleted %v", got, ok, r.Deleted())
		}
	}
}

// TestI9ManyStrangers gives a name every key that it can have and the policy many others: the
// signer is found wherever it stands, and a stranger is still explained.
func TestI9ManyStrangers(t *testing.T) {
	n := trusttest.Name(t, "a")
	files := make(map[trust.Name][]trust.PublicKey)
	for i := range 64 {
		files[n] = append(files[n], trusttest.Signer(i).Public())
		b := trusttest.Name(t, fmt.Sprint("b/", i))
		files[b] = []trust.PublicKey{trusttest.Signer(100 + i).Public(), trusttest.Signer(200 + i).Public()}
	}
	p := newPolicy(t, trust.Rules{Files: files})
	for _, c := range []struct {
		signer    int
		want      error // with the signer's own key id
		withoutID error // with one that no key has
	}{
		{0, nil, nil},
		{31, nil, nil},
		{63, nil, nil},
		{100, trust.ErrNotAllowed, trust.ErrUnknownKey}, // the name's own 64 keys are tried before
		{263, trust.ErrNotAllowed, trust.ErrUnknownKey},
		{999, trust.ErrUnknownKey, trust.ErrUnknownKey},
	} {
		sig := trusttest.Sign(t, trusttest.Signer(c.signer), "a", nil, 1)
		for _, try := range []struct {
			sig  []byte
			want error
		}{{sig, c.want}, {withID(sig, 7), c.withoutID}} {
			r, err := p.Verify(trust.NewClaim(n, try.sig, nil), time.Unix(1, 0))
			if try.want != nil {
				wantRefusal(t, err, try.want)
			} else if err != nil || r.Signer() != trusttest.Signer(c.signer).Public().Key {
				t.Errorf("signer %d: %v, %v", c.signer, r.Signer(), err)
			}
		}
	}
}

func TestPolicyIsSafeForConcurrentUse(t *testing.T) {
	s := trusttest.Signer(1)
	p := trusttest.Policy(t, s, "a", "b/c")
	c := trust.NewClaim(trusttest.Name(t, "a"), trusttest.Sign(t, s, "a", []byte("x"), 1), []byte("x"))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if r, err := p.Verify(c, time.Unix(1, 0)); err != nil || r.Version() != 1 {
				t.Error(r.Version(), err)
			}
			p.Names()[0], p.Dirs()[0] = trust.Name{}, "mine"
		})
	}
	all.Wait()
	if p.Names()[0].IsZero() || p.Dirs()[0] != "b" {
		t.Error("a caller changed the policy")
	}
}
