package index

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"

	"go.etcd.io/bbolt"
)

var policyKey, fileKey = trusttest.Signer(1), trusttest.Signer(2)

// local is a policy with a file and, if signed, a signer of the travelling one.
func local(t testing.TB, network trust.Key, signed bool) *trust.Policy {
	t.Helper()
	r := trust.Rules{Network: network, Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, "local"): {fileKey.Public()}}}
	if signed {
		r.PolicySigners = []trust.PublicKey{policyKey.Public()}
	}
	p, err := trust.NewPolicy(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// said is a record of policy.toml or of a file, as anybody may propose it.
func said(t testing.TB, p *trust.Policy, s *trust.Signer, st trust.Statement, content string) trust.Record {
	t.Helper()
	st.Network = trusttest.Signer(9).Public().Key
	sig, err := s.Sign(trust.DigestOf([]byte(content)), st)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Verify(trust.NewClaim(st.Name, sig, []byte(content)), st.Version.Time())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A name that only policy.toml admits is not withheld at a start: it costs no change, however often.
func TestOpenWithTravellingPolicy(t *testing.T) {
	network, start := trusttest.Signer(9).Public().Key, trust.VersionAt(time.Now())
	text := fmt.Sprintf("[files]\n\"far\" = [ %q ]\n[network]\nnamespaces = [ \"ns\" ]\n", fileKey.Public().Key)
	here := local(t, network, true)
	saying := func(name string) trust.Statement {
		return trust.Statement{Name: trusttest.Name(t, name), Version: start}
	}
	brief := saying(trust.PolicyName)
	brief.TTL = time.Hour
	for _, test := range []struct {
		name   string
		policy trust.Statement
		open   *trust.Policy
		later  time.Duration
		admits bool
	}{
		{"admitted", saying(trust.PolicyName), here, 0, true},
		{"not over", brief, here, time.Minute, true},
		{"over", brief, here, 2 * time.Hour, false},
		{"not signed by whom the configuration names", saying(trust.PolicyName), local(t, network, false), 0, false},
		{"not fit for the configuration", saying(trust.PolicyName), local(t, trust.Key{}, true), 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index")
			seq := fill(t, path, here, said(t, here, policyKey, test.policy, text), saying("far"))
			for range 2 {
				ix, err := Open(path, test.open, Clock(func() time.Time { return time.Now().Add(test.later) }))
				if err != nil {
					t.Fatal(err)
				}
				e, _ := ix.Get(trusttest.Name(t, "far"))
				if e.Shown != test.admits || test.admits && ix.Seq() != seq {
					t.Errorf("shown %v, seq %d; it was %d", e.Shown, ix.Seq(), seq)
				}
				if err := errors.Join(ix.Check(), ix.Close()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// fill makes an index with policy.toml, and with a file that only that admits.
func fill(t *testing.T, path string, here *trust.Policy, policy trust.Record, far trust.Statement) (seq uint64) {
	t.Helper()
	content, _ := policy.Content()
	a, err := trust.ParseAmendment(content)
	if err != nil {
		t.Fatal(err)
	}
	amended, err := here.Amend(a)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := Open(path, amended)
	if err != nil {
		t.Fatal(err)
	}
	out, err := ix.Apply("", policy, said(t, amended, fileKey, far, "content"))
	if err != nil || out[1].Err != nil {
		t.Fatal(err, out)
	}
	seq = ix.Seq()
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	return seq
}

// What another program took for a policy leaves the local one alone.
func TestOpenWithPolicyThatIsNotUnderstood(t *testing.T) {
	here, path := local(t, trusttest.Signer(9).Public().Key, true), filepath.Join(t.TempDir(), "index")
	ix, err := Open(path, here)
	if err != nil {
		t.Fatal(err)
	}
	text := "[tables]\nof = \"tomorrow\"\n"
	sig, err := policyKey.Sign(trust.DigestOf([]byte(text)), trust.Statement{
		Name: trusttest.Name(t, trust.PolicyName), Version: 5, Network: here.Network(),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &change{
		seq: 16, inode: 16, born: 16, version: 5, since: time.Now(), size: int64(len(text)),
		digest: trust.DigestOf([]byte(text)), name: trusttest.Name(t, trust.PolicyName), signature: sig,
	}
	err = ix.db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(putContent(tx.Bucket(bucketContents), c.digest, []byte(text)),
			tx.Bucket(bucketChanges).Put(numberKey(c.seq), c.encode()))
	})
	if err := errors.Join(err, ix.Close()); err != nil {
		t.Fatal(err)
	}
	if ix, err = Open(path, here); err != nil {
		t.Fatal(err)
	}
	if e, _ := ix.Get(c.name); !e.Shown || ix.Policy() != here {
		t.Errorf("shown %v, policy %v", e.Shown, ix.Policy().Names())
	}
	if err := errors.Join(ix.Check(), ix.Close()); err != nil {
		t.Fatal(err)
	}
}
