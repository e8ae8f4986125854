package fs_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"dmfs/fs/fstest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestHistory: what is kept of each name is readable by its signed time, the
// held version and those of a deleted name included.
func TestHistory(t *testing.T) {
	n := fstest.Mount(t, "a", "dns/cnames", "dns/zone", "dns-old", "never", "gone")
	for v := range int64(4) {
		n.Remote("a", fmt.Appendf(nil, "a%d\n", v+1), v+1)
	}
	n.Apply(trusttest.Record(t, n.Index.Policy(), n.Signer, "dns/cnames", []byte("half\n"), 15e8))
	n.Remote("dns-old", []byte("o\n"), 1)
	n.Remote("dns/zone", []byte("z\n"), 1)
	n.RemoteDelete("dns/zone", 2)
	n.RemoteDelete("gone", 1) // nothing was ever there
	want := `.dmfs/history:
a
dns
dns-old

.dmfs/history/a:
1970-01-01T00:00:02Z
1970-01-01T00:00:02Z.sig
1970-01-01T00:00:03Z
1970-01-01T00:00:03Z.sig
1970-01-01T00:00:04Z
1970-01-01T00:00:04Z.sig

.dmfs/history/dns:
cnames
zone

.dmfs/history/dns/cnames:
1970-01-01T00:00:01.5Z
1970-01-01T00:00:01.5Z.sig

.dmfs/history/dns/zone:
1970-01-01T00:00:01Z
1970-01-01T00:00:01Z.sig

.dmfs/history/dns-old:
1970-01-01T00:00:01Z
1970-01-01T00:00:01Z.sig
`
	if out := n.Must("cd $M && ls -R .dmfs/history"); out != want {
		t.Errorf("got %s", out)
	}
	out := n.Must(`cd $M/.dmfs && ls && cd history && cat a/*Z dns/*/*Z && stat -c '%n %s %Y %A' a/*3Z dns && stat -c %i a/*Z a | sort -u | wc -l
grep -c file:a a/1970-01-01T00:00:03Z.sig && cd a && pwd && ls ../a/1970-01-01T00:00:02Z`)
	if want := "history\nstatus.json\na2\na3\na4\nhalf\nz\na/1970-01-01T00:00:03Z 3 3 -r--r--r--\n"; !strings.HasPrefix(out, want) ||
		!strings.HasSuffix(out, "\n4\n1\n"+n.Dir+"/.dmfs/history/a\n../a/1970-01-01T00:00:02Z\n") {
		t.Errorf("got %s", out)
	}
	n.Remote("a", []byte("a5\n"), 5) // nobody keeps what he has seen there
	if out := n.Must("cd $M/.dmfs/history/a; cat *Z; cat 1970-01-01T00:00:02Z 2>&1 || true"); !strings.HasPrefix(out, "a3\na4\na5\ncat") || !strings.Contains(out, "No such file") {
		t.Errorf("after another version: %s", out)
	}
}

// TestHistoryIsOfThePolicy: a version that the policy in force does not admit is
// not readable there either.
func TestHistoryIsOfThePolicy(t *testing.T) {
	n := fstest.Mount(t, "a")
	both, old := policyOf(t, "a", 1, 2), n.Index.Policy()
	if err := n.Index.SetPolicy(both); err != nil {
		t.Fatal(err)
	}
	n.Apply(trusttest.Record(t, both, trusttest.Signer(2), "a", []byte("second\n"), 1), n.Record("a", []byte("first\n"), 2))
	if out := n.Must("cat $M/.dmfs/history/a/*Z"); out != "second\nfirst\n" {
		t.Errorf("got %s", out)
	}
	if err := n.Index.SetPolicy(old); err != nil {
		t.Fatal(err)
	}
	if out := n.Must("cat $M/.dmfs/history/a/*Z; ! test -e $M/.dmfs/history/a/1970-01-01T00:00:00.000000001Z"); out != "first\n" {
		t.Errorf("got %s", out)
	}
	if err := n.Index.SetPolicy(policyOf(t, "b", 1)); err != nil {
		t.Fatal(err)
	}
	if out := n.Must("ls $M/.dmfs/history"); out != "" {
		t.Errorf("got %s", out)
	}
}

// policyOf lets test signers sign a name.
func policyOf(t *testing.T, name string, signers ...int) *trust.Policy {
	t.Helper()
	var keys []trust.PublicKey
	for _, i := range signers {
		keys = append(keys, trusttest.Signer(i).Public())
	}
	p, err := trust.NewPolicy(trust.Rules{Files: map[trust.Name][]trust.PublicKey{trusttest.Name(t, name): keys}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestI7HistoryKeepsItsVersion for whoever has it open, whatever came later.
func TestI7HistoryKeepsItsVersion(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Remote("f", []byte("one\n"), 1)
	n.Must("mkfifo opened go")
	cmd := exec.Command("sh", "-c", "exec 3<$M/.dmfs/history/f/1970-01-01T00:00:01Z 4<$M/.dmfs/history/f/1970-01-01T00:00:01Z.sig; echo >opened; read x <go; cat <&3; grep -c file:f <&4")
	cmd.Dir, cmd.Env = n.Work, append(os.Environ(), "M="+n.Dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.Must("read x <opened")
	for i := range 400 { // more than are kept after they were shown
		n.Remote("f", fmt.Appendf(nil, "version %d\n", i), int64(10+i))
	}
	n.Must("test ! -e $M/.dmfs/history/f/1970-01-01T00:00:01Z; until grep -q 399 $M/f; do :; done; echo >go")
	if err := cmd.Wait(); err != nil || out.String() != "one\n1\n" {
		t.Errorf("read %q: %v", &out, err)
	}
}

// TestHistoryIsReadOnly and changes nothing that is visible.
func TestHistoryIsReadOnly(t *testing.T) {
	n := fstest.Mount(t, "f", "d/g")
	n.Remote("f", []byte("x\n"), 100)
	n.Remote("d/g", []byte("y\n"), 100)
	n.Pair("f", []byte("later\n"), 200)
	n.Must("until test -e $M/f -a -e $M/d/g; do :; done; cp f.sig $M/")
	before := n.Must("ls -lR $M/.dmfs/history")
	for _, c := range []struct{ line, want string }{
		{"echo y >$V", "Permission denied"},
		{"echo y >>$V.sig", "Permission denied"},
		{"python3 -c 'import os; os.open(os.environ[\"V\"], os.O_RDWR)' 2>&1", "Permission denied"},
		{"truncate -s 0 $V", "Permission denied"},
		{"cp f $V", "Permission denied"},
		{"cp f $H/f/", "Operation not permitted"},
		{"cp f.sig $H/", "Operation not permitted"},
		{"rm $V", "Operation not permitted"},
		{"rm $V.sig", "Operation not permitted"},
		{"rm -r $H/d", "Operation not permitted"},
		{"rmdir $H/f", "Operation not permitted"},
		{"mv $V $V.old", "Operation not permitted"},
		{"mv $V $M/f", "Operation not permitted"},
		{"mv $M/f $H/f/x", "Operation not permitted"},
		{"mv $H/f $M/new", "Operation not permitted"},
		{"mkdir $H/new", "Operation not permitted"},
		{"ln $V $M/l", "Operation not permitted"},
		{"ln -s x $H/l", "Operation not permitted"},
	} {
		out, ok := n.Shell("H=$M/.dmfs/history; export V=$H/f/1970-01-01T00:01:40Z; " + c.line)
		if ok || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v %s", c.line, ok, out)
		}
	}
	if after := n.Must("ls -lR $M/.dmfs/history"); after != before {
		t.Errorf("before: %s\nafter: %s", before, after)
	}
}

// TestLongHistory is listed whole, each name once, in as many calls as it takes.
func TestLongHistory(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf("a-name-that-is-long-enough-for-some-calls-%d", i))
	}
	n := fstest.Mount(t, names...)
	n.Index.SetHistory(500)
	for i, name := range names {
		n.Remote(name, []byte("x\n"), 1)
		n.Remote(names[0], fmt.Appendf(nil, "%d", i), int64(i+2))
		if i%2 == 1 {
			n.RemoteDelete(name, 2)
		}
	}
	if out := n.Must("cd $M/.dmfs/history; ls -U | sort -u | wc -l; ls -lU | tail -n +2 | wc -l; ls -U a-*-0 | sort -u | wc -l; ls -lU a-*-0 | tail -n +2 | wc -l"); out != "500\n500\n1000\n1000\n" {
		t.Errorf("got %s", out)
	}
}
