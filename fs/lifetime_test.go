package fs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dmfs/fs/fstest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestOver: a writer's version whose lifetime is over is refused and changes
// nothing. One that comes from elsewhere supersedes what is shown, although nobody ever saw it.
func TestOver(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("1\n"), 1)
	n.Must("cp f f.sig $M/")
	content := []byte("2\n")
	text, err := n.Signer.Sign(trust.DigestOf(content), trust.Statement{Name: trusttest.Name(t, "f"), Version: 2e9, TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(n.Work, "over"), content, 0o644), os.WriteFile(filepath.Join(n.Work, "over.sig"), text, 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, ok := n.Shell("cp over $M/f && cp over.sig $M/f.sig"); ok || !strings.Contains(out, "Key has expired") {
		t.Errorf("over: %v %s", ok, out)
	}
	if held, ok := n.Index.Get(trusttest.Name(t, "f")); !ok || !held.Shown {
		t.Errorf("it superseded all the same, as change %d", held.Seq)
	}
	events := watch(t, n.Dir)
	r, err := n.Index.Policy().Verify(trust.NewClaim(trusttest.Name(t, "f"), text, content), time.Now())
	if !errors.Is(err, trust.ErrExpired) || r.IsZero() {
		t.Fatal(r, err)
	}
	if _, err := n.Index.Apply("peer", r); err != nil {
		t.Fatal(err)
	}
	expect(t, events, "DELETE f")
	if out, ok := n.Shell("cp f f.sig $M/"); ok || !strings.Contains(out, "Stale file handle") {
		t.Errorf("what it superseded: %v %s", ok, out)
	}
	if out := n.Must("ls $M $M/.dmfs/history/f | grep -c 1970"); out != "2\n" {
		t.Errorf("got %s", out)
	}
}
