package index_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"dmfs/index"
	"dmfs/index/indextest"
	"dmfs/trust"
)

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
