package index_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

var alice, bob = trusttest.Signer(1), trusttest.Signer(2)

// may is who may sign what.
type may map[string][]*trust.Signer

func policy(t testing.TB, rules may) *trust.Policy {
	t.Helper()
	files := map[trust.Name][]trust.PublicKey{}
	for name, signers := range rules {
		for _, s := range signers {
			n := trusttest.Name(t, name)
			files[n] = append(files[n], s.Public())
		}
	}
	p, err := trust.NewPolicy(trust.Rules{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// numbered returns n names and a policy under which alice may sign them.
func numbered(t testing.TB, n int) ([]string, *trust.Policy) {
	t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("file-%05d", i)
	}
	return names, trusttest.Policy(t, alice, names...)
}

// head is the record as somebody proves it who does not have the content.
func head(t testing.TB, p *trust.Policy, r trust.Record) trust.Record {
	t.Helper()
	h, err := p.Verify(trust.NewHead(r.Name(), r.Signature(), r.Digest()), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// mortal is a record of alice's with a lifetime, proved while it lasted.
func mortal(t testing.TB, p *trust.Policy, name, content string, v trust.Version, ttl time.Duration) trust.Record {
	t.Helper()
	n := trusttest.Name(t, name)
	sig, err := alice.Sign(trust.DigestOf([]byte(content)), trust.Statement{Name: n, Version: v, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Verify(trust.NewClaim(n, sig, []byte(content)), v.Time())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A wall is a clock that can be set.
type wall struct{ ahead atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// set puts the clock right, or somewhere else.
func (w *wall) set(to time.Time) { w.ahead.Store(int64(time.Until(to))) }

// pass lets time pass in a synctest bubble, until nobody has anything left to do.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// apply applies records that are all to be held.
func apply(t testing.TB, ix *index.Index, recs ...trust.Record) []index.Outcome {
	t.Helper()
	outcomes, err := ix.Apply("test", recs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range outcomes {
		if o.Err != nil {
			t.Fatalf("record %d: %v", i, o.Err)
		}
	}
	return outcomes
}

// get returns what is held for a name.
func get(t testing.TB, ix *index.Index, name string) index.Entry {
	t.Helper()
	e, ok := ix.Get(trusttest.Name(t, name))
	if !ok {
		t.Fatalf("nothing is held for %s", name)
	}
	return e
}

// shows fails unless exactly this content of the name is shown, whole.
func shows(t testing.TB, ix *index.Index, name, want string) {
	t.Helper()
	e := get(t, ix, name)
	if !e.Shown {
		t.Fatalf("%s is not shown", name)
	}
	got, err := ix.Content(e.Record.Digest())
	if err != nil || string(got) != want || e.Size != int64(len(want)) {
		t.Fatalf("%s is %q of %d bytes, %v; want %q", name, got, e.Size, err, want)
	}
}

// sized is a content of this many bytes that no other number has; size is 8 or more.
func sized(n, size int) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, size-8, size), uint64(n))
}

// is fails unless err is want.
func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}
