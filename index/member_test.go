package index_test

import (
	"encoding/base64"
	"errors"
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

// network issues certificates; alice and bob are members.
var network = trusttest.Signer(9)

// union is a policy with the network and the namespaces ns and deep/ns, and whatever else rule says.
func union(t testing.TB, rule func(*trust.Rules)) *trust.Policy {
	t.Helper()
	r := trust.Rules{
		Network: network.Public().Key, Namespaces: []string{"ns", "deep/ns"},
		Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "f"): {alice.Public()}},
	}
	if rule != nil {
		rule(&r)
	}
	p, err := trust.NewPolicy(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// certificate is a member's, from now on.
func certificate(t testing.TB, issuer, s *trust.Signer, name string, validity time.Duration) trust.Chain {
	t.Helper()
	c, err := issuer.Certify(trust.CertificateSpec{
		Name: name, Key: s.Public().Key, NotBefore: time.Now(), NotAfter: time.Now().Add(validity),
	}, trust.Chain{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mine is a name below the signer's key in a namespace.
func mine(s *trust.Signer, ns, rest string) string {
	k := s.Public().Key
	return ns + "/" + base64.RawURLEncoding.EncodeToString(k[:]) + rest
}

// published is a record with a certificate behind its signature.
func published(t testing.TB, p *trust.Policy, s *trust.Signer, c trust.Chain, st trust.Statement, content string) trust.Record {
	t.Helper()
	st.Network = network.Public().Key
	sig, err := s.Sign(trust.DigestOf([]byte(content)), st)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Verify(trust.NewClaim(st.Name, append(sig, c.PEM()...), []byte(content)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// saying is what a record says that is no more than a version of a name.
func saying(t testing.TB, name string, v trust.Version) trust.Statement {
	t.Helper()
	return trust.Statement{Name: trusttest.Name(t, name), Version: v}
}

// stone is what a tombstone says.
func stone(t testing.TB, name string, v trust.Version) trust.Statement {
	t.Helper()
	return trust.Statement{Name: trusttest.Name(t, name), Version: v, Deleted: true}
}

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

func TestRevocation(t *testing.T) {
	p, name := union(t, nil), mine(alice, "ns", "")
	cert := certificate(t, network, alice, "a", 2*time.Hour)
	m, err := p.VerifyMember(cert, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	byKey := union(t, func(r *trust.Rules) { r.RevokedKeys = []trust.Key{alice.Public().Key} })
	bySerial := union(t, func(r *trust.Rules) { r.RevokedCertificates = []string{m.Serial} })
	ix := indextest.Open(t, p)
	r := published(t, p, alice, cert, saying(t, name, 5), "one")
	apply(t, ix, r)
	for _, revoked := range []*trust.Policy{byKey, bySerial} {
		if err := ix.SetPolicy(revoked); err != nil {
			t.Fatal(err)
		}
		hidden(t, ix, name)
		offered(t, ix, r, trust.ErrRevoked)
		if len(ix.Members()) > 0 {
			t.Error("who is revoked is a member")
		}
		if err := ix.SetPolicy(p); err != nil {
			t.Fatal(err)
		}
		shows(t, ix, name, "one")
	}
	if err := ix.SetPolicy(bySerial); err != nil {
		t.Fatal(err)
	}
	if err := ix.Learn(certificate(t, network, alice, "a", time.Hour)); err != nil {
		t.Fatal(err) // it ends earlier than the revoked one
	}
	shows(t, ix, name, "one")
}

func TestLearn(t *testing.T) {
	p := union(t, nil)
	ix := indextest.Open(t, p)
	good := certificate(t, network, bob, "same", time.Hour)
	is(t, ix.Learn(certificate(t, bob, alice, "a", time.Hour), good), trust.ErrUnknownKey)
	is(t, ix.Learn(trust.Chain{}), trust.ErrUnknownKey)
	if err := ix.Learn(certificate(t, network, alice, "same", time.Hour), good); err != nil {
		t.Fatal(err)
	}
	if m := ix.Members(); len(m) != 2 || m[0].Name != "same" || m[0].Issued.Before(m[1].Issued) {
		t.Errorf("%+v", m)
	}
	if c, ok := ix.Certificate(bob.Public().Key); !ok || c.Key() != bob.Public().Key {
		t.Error("bob's certificate is not known")
	}
	if _, ok := ix.Certificate(network.Public().Key); ok {
		t.Error("a certificate that nobody made")
	}
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

func TestQuota(t *testing.T) {
	p := union(t, nil)
	path := filepath.Join(t.TempDir(), "index")
	ix := indextest.OpenAt(t, path, p)
	ix.SetQuota(3, 100)
	certs := map[*trust.Signer]trust.Chain{alice: certificate(t, network, alice, "a", time.Hour), bob: certificate(t, network, bob, "b", time.Hour)}
	v := now()
	put := func(s *trust.Signer, ns, rest string, size int, want error) {
		t.Helper()
		v++
		offered(t, ix, published(t, p, s, certs[s], saying(t, mine(s, ns, rest), v), string(sized(int(v%1e9), size))), want)
	}
	drop := func(rest string, want error) {
		t.Helper()
		v++
		offered(t, ix, published(t, p, alice, certs[alice], stone(t, mine(alice, "ns", rest), v), ""), want)
	}
	for _, rest := range []string{"/1", "/2", "/3"} {
		put(alice, "ns", rest, 10, nil)
	}
	put(alice, "ns", "/4", 10, index.ErrQuota)
	put(alice, "ns", "/1", 80, nil)
	put(alice, "ns", "/2", 11, index.ErrQuota)
	put(alice, "ns", "/1", 79, nil)
	put(alice, "ns", "/2", 11, nil)
	put(bob, "ns", "/1", 100, nil)
	put(bob, "ns", "/2", 8, index.ErrQuota)
	put(alice, "deep/ns", "/1", 100, nil)
	apply(t, ix, published(t, p, alice, trust.Chain{}, saying(t, "f", v), string(sized(1, 4000))))

	drop("/3", nil)
	put(alice, "ns", "/4", 10, nil)
	put(alice, "ns", "/5", 8, index.ErrQuota)
	if err := errors.Join(ix.SetPolicy(union(t, func(r *trust.Rules) { r.Namespaces = nil })), ix.SetPolicy(p)); err != nil {
		t.Fatal(err)
	}
	put(alice, "ns", "/5", 8, index.ErrQuota)
	ix = restarted(t, ix, path, p)
	ix.SetQuota(3, 100)
	put(alice, "ns", "/5", 8, index.ErrQuota)
	drop("/4", nil)
	put(alice, "ns", "/5", 8, nil)
	ix.SetQuota(1, 1) // less than there is: what is there stays, and may shrink
	put(alice, "ns", "/1", 8, nil)
	put(alice, "ns", "/1", 9, index.ErrQuota)
}

// What is not shown is bounded too: nobody fills disks with deleted files and directories.
func TestQuotaOfWhatIsNotShown(t *testing.T) {
	p := union(t, nil)
	ix := indextest.Open(t, p)
	ix.SetQuota(2, 1<<20)
	cert := certificate(t, network, alice, "a", time.Hour)
	taken := func(st trust.Statement, content string) bool {
		t.Helper()
		out, err := ix.Apply("", published(t, p, alice, cert, st, content))
		if err != nil {
			t.Fatal(err)
		}
		if out[0].Err != nil {
			is(t, out[0].Err, index.ErrQuota)
		}
		return out[0].Err == nil
	}
	names := 0
	for v := now(); taken(stone(t, mine(alice, "ns", fmt.Sprintf("/%d", names)), v), ""); v++ {
		names++
	}
	if names != 19 { // and the directory
		t.Errorf("%d names", names)
	}
	if taken(saying(t, mine(alice, "deep/ns", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20"), now()), "") {
		t.Error("20 directories")
	}
	ix.SetQuota(20, 1<<20)
	stored := 0
	for v := now(); taken(saying(t, mine(alice, "ns", fmt.Sprintf("/%d", stored)), v), string(sized(stored, 1<<20))); v++ {
		if !taken(saying(t, mine(alice, "ns", fmt.Sprintf("/%d", stored)), v+1), "") {
			break
		}
		stored++
	}
	if stored != 5 { // in four times 1 MiB and 20 times 16 KiB
		t.Errorf("%d earlier versions of 1 MiB", stored)
	}
	ix.SetQuota(20, 900<<10)
	if taken(saying(t, mine(alice, "ns", "/0"), now()+1e9), "") {
		t.Error("a version beyond what may be stored")
	}
	if !taken(stone(t, mine(alice, "ns", "/0"), now()+1e9), "") {
		t.Error("no deletion")
	}
}

func TestQuotaOfWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := union(t, nil)
		ix := indextest.Open(t, p)
		ix.SetQuota(1, 100)
		cert := certificate(t, network, alice, "a", 3*time.Hour)
		brief := saying(t, mine(alice, "ns", "/1"), now())
		brief.TTL = time.Hour
		next := saying(t, mine(alice, "ns", "/2"), now())
		apply(t, ix, published(t, p, alice, cert, brief, "one"))
		offered(t, ix, published(t, p, alice, cert, next, "two"), index.ErrQuota)
		pass(time.Hour)
		apply(t, ix, published(t, p, alice, cert, next, "two"))
	})
}

// What is over when it comes is not shown, but counts as a name; and it comes through like a deletion
// where there is no room for another version, else what it supersedes would stay.
func TestQuotaOfWhatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := union(t, nil)
		ix := indextest.Open(t, p)
		ix.SetQuota(2, 100)
		cert := certificate(t, network, alice, "a", 24*time.Hour)
		start := now()
		late := func(rest string) trust.Record {
			st := saying(t, mine(alice, "ns", rest), start+trust.Version(time.Minute))
			st.TTL = 1
			st.Network = network.Public().Key
			sig, err := alice.Sign(trust.DigestOf([]byte(rest)), st)
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Verify(trust.NewClaim(st.Name, append(sig, cert.PEM()...), []byte(rest)), st.Version.Time())
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		ix.SetHistory(1)
		v := start
		for ; ; v++ {
			out, err := ix.Apply("", published(t, p, alice, cert, saying(t, mine(alice, "ns", "/0"), v), string(sized(int(v), 100))))
			if err != nil {
				t.Fatal(err)
			}
			if out[0].Err != nil {
				break
			}
			ix.Pin(out[0].Seq)
		}
		pass(time.Hour)
		for i := range 19 { // and the directory
			offered(t, ix, late(fmt.Sprintf("/%d", i)), trust.ErrExpired)
		}
		offered(t, ix, late("/19"), index.ErrQuota)
		hidden(t, ix, mine(alice, "ns", "/0"))
	})
}

func TestConflict(t *testing.T) {
	p := union(t, nil)
	ix := indextest.Open(t, p)
	cert := certificate(t, network, alice, "a", time.Hour)
	v := now()
	record := func(rest string) trust.Record {
		t.Helper()
		v++
		return published(t, p, alice, cert, saying(t, mine(alice, "ns", rest), v), rest)
	}
	gone := func(rest string) trust.Record {
		v++
		return published(t, p, alice, cert, stone(t, mine(alice, "ns", rest), v), "")
	}
	out, err := ix.Apply("", record(""), record("/x"), gone(""), record("/x"), record("/x/y"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, index.ErrConflict, nil, nil, index.ErrConflict} {
		is(t, out[i].Err, want)
	}
	offered(t, ix, record(""), index.ErrConflict)
	offered(t, ix, gone(""), nil)
	offered(t, ix, gone("/x"), nil)
	offered(t, ix, record("/x/y/z"), nil)
	offered(t, ix, record("/x/y"), index.ErrConflict)
	offered(t, ix, record("/x/yy"), nil)
	apply(t, ix, published(t, p, bob, certificate(t, network, bob, "b", time.Hour), saying(t, mine(bob, "ns", ""), v), "bob's"))
}

// What a policy brings back does not return in the way of what came meanwhile.
func TestConflictOfWhatReturns(t *testing.T) {
	p := union(t, nil)
	upper, lower := mine(alice, "ns", ""), mine(alice, "ns", "/x")
	without := union(t, func(r *trust.Rules) {
		r.Bounds = map[trust.Name]trust.Bounds{trusttest.Name(t, upper): {NotAfter: 1}}
	})
	ix := indextest.Open(t, p)
	cert := certificate(t, network, alice, "a", time.Hour)
	first := published(t, p, alice, cert, saying(t, upper, 5), "first")
	apply(t, ix, first)
	if err := ix.SetPolicy(without); err != nil {
		t.Fatal(err)
	}
	apply(t, ix, published(t, without, alice, cert, saying(t, lower, 6), "second"))
	if err := ix.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	hidden(t, ix, upper)
	shows(t, ix, lower, "second")
	offered(t, ix, first, index.ErrConflict)
	apply(t, ix, published(t, p, alice, cert, stone(t, lower, 7), ""))
	if err := ix.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	shows(t, ix, upper, "first")
}

// A travelling policy has to bring its content, as only that shows that it makes sense.
func TestPolicyBringsItsContent(t *testing.T) {
	p := union(t, func(r *trust.Rules) { r.PolicySigners = []trust.PublicKey{alice.Public()} })
	ix := indextest.Open(t, p)
	apply(t, ix, published(t, p, alice, trust.Chain{}, saying(t, "f", 1), ""))
	r := published(t, p, alice, trust.Chain{}, saying(t, trust.PolicyName, 1), "")
	offered(t, ix, head(t, p, r), index.ErrNoContent)
	apply(t, ix, r)
	shows(t, ix, trust.PolicyName, "")
}
