package fs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dmfs/fs/fstest"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// TestPairs copies valid pairs in every way in which a half can come first.
func TestPairs(t *testing.T) {
	for _, c := range []struct{ name, line string }{
		{"content first", "cp f $M/ && cp f.sig $M/"},
		{"signature first", "cp f.sig $M/ && cp f $M/"},
		{"one cp", "cp f f.sig $M/"},
		{"one cp, signature first", "cp f.sig f $M/"},
		{"both at once", "cp f $M/ & cp f.sig $M/ && wait $!"},
		{"cp -p", "cp -p f f.sig $M/"},
		{"cp -a", "cp -a f f.sig $M/"},
		{"redirection", "cat f >$M/f && cat f.sig >$M/f.sig"},
		{"redirection, signature first", "cat f.sig >$M/f.sig && cat f >$M/f"},
		{"in two pieces", "(head -c 3 f; tail -c +4 f) >$M/f && cp f.sig $M/"},
		{"tee", "tee $M/f <f >/dev/null && tee $M/f.sig <f.sig >/dev/null"},
		{"dd", "dd if=f of=$M/f bs=4 status=none && dd if=f.sig of=$M/f.sig conv=fsync status=none"},
		{"rsync", "rsync -a f f.sig $M/"},
		{"rsync in place", "rsync --inplace f f.sig $M/"},
		{"python", `python3 -c 'import os,shutil,sys
for n in ("f", "f.sig"):
    with open(os.environ["M"]+"/"+n, "w") as o: o.write(open(n).read())'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := fstest.Mount(t, "f")
			for i, want := range []string{"first version\n", "second, longer version\n", "3\n"} {
				n.Pair("f", []byte(want), int64(100+i))
				n.Must(c.line)
				if got := n.Must("cat $M/f"); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
				n.Must("cmp f.sig $M/f.sig")
			}
		})
	}
}

func TestSizes(t *testing.T) {
	n := fstest.Mount(t, "f")
	for i, size := range []int{0, 1, 4095, 4096, 4097, 1 << 20, trust.MaxContent, 0} {
		n.Pair("f", bytes.Repeat([]byte("x"), size), int64(100+i))
		n.Must("cp f f.sig $M/ && cmp f $M/f && cmp f.sig $M/f.sig")
		if got := strings.TrimSpace(n.Must("stat -c %s $M/f")); got != fmt.Sprint(size) {
			t.Errorf("size %s, want %d", got, size)
		}
	}
}

// TestRefusals looks at what cp prints, and that nothing changes anywhere.
func TestRefusals(t *testing.T) {
	const good = "good\n"
	for _, c := range []struct {
		name, want string
		prepare    func(t *testing.T, n *fstest.Node)
	}{
		{"wrong key", "Required key not available", func(t *testing.T, n *fstest.Node) {
			text := trusttest.Sign(t, trusttest.Signer(9), "f", []byte("other\n"), 200e9)
			put(t, n, "f", []byte("other\n"), text)
		}},
		{"bit in content", "Key was rejected by service", func(t *testing.T, n *fstest.Node) {
			n.Pair("f", []byte("other\n"), 200)
			flip(t, filepath.Join(n.Work, "f"), 0)
		}},
		{"bit in comment", "Key was rejected by service", func(t *testing.T, n *fstest.Node) {
			_, s := n.Pair("f", []byte("other\n"), 200)
			flip(t, s, lineStart(t, s, 2)+len("trusted comment: timestamp:1"))
		}},
		{"bit in signature", "Key was rejected by service", func(t *testing.T, n *fstest.Node) {
			_, s := n.Pair("f", []byte("other\n"), 200)
			flipBase64(t, s, lineStart(t, s, 1)+30)
		}},
		{"older", "Stale file handle", func(t *testing.T, n *fstest.Node) { n.Pair("f", []byte("other\n"), 50) }},
		{"too long", "File too large", func(t *testing.T, n *fstest.Node) {
			big := make([]byte, trust.MaxContent+1)
			put(t, n, "f", big, []byte("none"))
		}},
		{"undeclared", "Permission denied", func(t *testing.T, n *fstest.Node) {
			n.Pair("g", []byte("other\n"), 200)
			n.Must("mv g f && mv g.sig f.sig")
		}},
		{"garbage", "Bad message", func(t *testing.T, n *fstest.Node) {
			put(t, n, "f", []byte("other\n"), []byte("garbage"))
		}},
		{"bad name", "Invalid argument", func(t *testing.T, n *fstest.Node) { n.Pair("f", []byte("other\n"), 200) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := fstest.Mount(t, "f")
			n.Pair("f", []byte(good), 100)
			n.Must("cp f f.sig $M/")
			seq := n.Index.Seq()
			c.prepare(t, n)
			target := map[string]string{"undeclared": "g", "bad name": ".dmfsx"}[c.name]
			if target == "" {
				target = "f"
			}
			out, ok := n.Shell(fmt.Sprintf("cp f $M/%s && cp f.sig $M/%s.sig", target, target))
			if ok || !strings.Contains(out, c.want) {
				t.Errorf("cp printed %q (%v), want %q", out, ok, c.want)
			}
			if got := n.Must("cat $M/f; ls $M"); got != good+"f\nf.sig\n" {
				t.Errorf("the mount changed: %q", got)
			}
			if n.Index.Seq() != seq {
				t.Error("the index changed")
			}
		})
	}
}

// TestRefusedThenRight keeps what was good of a refused pair.
func TestRefusedThenRight(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("right\n"), 100)
	n.Must("echo wrong >w; cp f.sig $M/")
	if out, ok := n.Shell("cp w $M/f"); ok || !strings.Contains(out, "rejected") {
		t.Fatalf("a content that the waiting signature does not sign: %v %q", ok, out)
	}
	n.Must("cp f $M/ && cmp f $M/f")
	if out := n.Must("getfattr --absolute-names --only-values -n user.dmfs.refused $M/f"); !strings.Contains(out, "f: the signature does not sign this content; hint: ") {
		t.Errorf("the last refusal reads %q", out)
	}
}

// TestLivingWriterIsNotBlamed: a half whose writer is still at work may belong to
// another pair, so it says nothing about this one.
func TestLivingWriterIsNotBlamed(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("one\n"), 100)
	n.Must("mv f f1; mv f.sig f1.sig")
	n.Pair("f", []byte("two\n"), 200)
	n.Must(`python3 -c '
import os
m = os.environ["M"]
with open(m+"/f.sig", "wb") as o: o.write(open("f1.sig", "rb").read())
os.system("cp f $M/ && cp f.sig $M/") and exit(1)
try:
    with open(m+"/f", "wb") as o: o.write(open("f1", "rb").read())
except OSError as e: print(e)
' >late; cmp f $M/f`)
	if late := n.Must("cat late"); !strings.Contains(late, "Stale file handle") {
		t.Errorf("the pair that came too late: %q", late)
	}
}

// TestAgain: the same record again succeeds and changes nothing.
func TestAgain(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("x\n"), 100)
	n.Must("cp f f.sig $M/")
	seq := n.Index.Seq()
	n.Must("cp f f.sig $M/; cp f.sig f $M/; cp f.sig $M/")
	if n.Index.Seq() != seq {
		t.Errorf("seq went from %d to %d", seq, n.Index.Seq())
	}
}

// TestSignedAnew: a later signature of the same content is a new record on the
// same inode.
func TestSignedAnew(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("x\n"), 100)
	n.Must("cp f f.sig $M/")
	before := n.Must("stat -c '%i %Y' $M/f")
	n.Pair("f", []byte("x\n"), 200)
	n.Must("cp f.sig $M/ && cmp f.sig $M/f.sig")
	if after := n.Must("stat -c '%i %Y' $M/f"); after != before {
		t.Errorf("the inode changed from %s to %s", before, after)
	}
	if out := n.Must("getfattr --absolute-names --only-values -n user.dmfs.signed_at $M/f"); out != "1970-01-01T00:03:20Z" {
		t.Errorf("signed at %s", out)
	}
}

// TestSignedAnewBesideAnother: who copies another content together with a later signature of the one in
// place gets the verdict on what he copied; the signature alone is taken.
func TestSignedAnewBesideAnother(t *testing.T) {
	n := fstest.Mount(t, "f")
	n.Pair("f", []byte("x\n"), 100)
	n.Must("cp f f.sig $M/")
	n.Pair("f", []byte("x\n"), 200)
	if out := n.Must("echo other >f; cp f f.sig $M/ 2>&1 && exit 1; cat $M/f"); !strings.Contains(out, "Key was rejected") || !strings.HasSuffix(out, "\nx\n") {
		t.Error(out)
	}
	n.Must("cp f.sig $M/ && cmp f.sig $M/f.sig")
}

// TestRename: a tool that writes to a temporary name and renames it.
func TestRename(t *testing.T) {
	n := fstest.Mount(t, "f")
	script := `import os,sys
m = os.environ["M"]
for n in sys.argv[1:]:
    with open(m+"/."+n+".tmp", "wb") as o: o.write(open(n, "rb").read())
    os.chmod(m+"/."+n+".tmp", 0o644)
    os.rename(m+"/."+n+".tmp", m+"/"+n)
print(sorted(os.listdir(m)))`
	if err := os.WriteFile(filepath.Join(n.Work, "put.py"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, order := range []string{"f f.sig", "f.sig f"} {
		n.Pair("f", []byte(order), int64(100+i))
		if out := n.Must("python3 put.py " + order + "; until cmp -s f $M/f; do :; done; cmp f.sig $M/f.sig"); out != "['f', 'f.sig']\n" && i > 0 {
			t.Errorf("%s: %s", order, out)
		}
	}
	n.Pair("f", []byte("forged"), 300)
	n.Must("echo other >f")
	out, ok := n.Shell("python3 put.py f f.sig 2>&1; ls -A $M")
	if !ok || !strings.Contains(out, "Key was rejected") || !strings.HasSuffix(out, "\nf\nf.sig\n") {
		t.Errorf("%v: %s", ok, out)
	}
	if got := n.Must("cat $M/f"); got != "f.sig f" {
		t.Errorf("the file reads %q", got)
	}
}

func put(t *testing.T, n *fstest.Node, name string, content, signature []byte) {
	t.Helper()
	for path, data := range map[string][]byte{name: content, name + ".sig": signature} {
		if err := os.WriteFile(filepath.Join(n.Work, path), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	data := read(t, path)
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// flipBase64 replaces one base64 digit by another.
func flipBase64(t *testing.T, path string, at int) {
	t.Helper()
	data := read(t, path)
	if data[at] == 'A' {
		data[at] = 'B'
	} else {
		data[at] = 'A'
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func lineStart(t *testing.T, path string, line int) int {
	t.Helper()
	at := 0
	for range line {
		at += bytes.IndexByte(read(t, path)[at:], '\n') + 1
	}
	return at
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestPolicySignedAnew: also of the travelling policy, whose content the index wants each time, a later signature will do.
func TestPolicySignedAnew(t *testing.T) {
	n := fstest.Mount(t, "f")
	p, err := trust.NewPolicy(trust.Rules{PolicySigners: []trust.PublicKey{n.Signer.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	putInForce(t, n, p)
	content := []byte("[network]\n")
	n.Pair(trust.PolicyName, content, 1)
	n.Must("cp policy.toml policy.toml.sig $M/")
	n.Pair(trust.PolicyName, content, 2)
	n.Must("cp policy.toml.sig $M/ && cmp policy.toml.sig $M/policy.toml.sig && cmp policy.toml $M/policy.toml")
	noDrafts(t, n)
}
