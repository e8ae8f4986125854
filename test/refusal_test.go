package test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"dmfs/test/harness"
	"dmfs/trust"
	"dmfs/trust/trusttest"
)

// The lines of a signature file, counted from 0.
const (
	lineSignature = 1
	lineComment   = 2
	lineGlobal    = 3
)

// flipComment flips one bit of the last digit of the signed time.
func flipComment(signature []byte) []byte {
	lines := bytes.Split(bytes.Clone(signature), []byte("\n"))
	comment := lines[lineComment]
	end, _, _ := bytes.Cut(comment, []byte("\t"))
	comment[len(end)-1] ^= 1
	return bytes.Join(lines, []byte("\n"))
}

// flipEncoded flips the last bit of what a line says in base64.
func flipEncoded(t *testing.T, signature []byte, line int) []byte {
	t.Helper()
	lines := strings.Split(string(signature), "\n")
	raw, err := base64.StdEncoding.DecodeString(lines[line])
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	lines[line] = base64.StdEncoding.EncodeToString(raw)
	return []byte(strings.Join(lines, "\n"))
}

// refusals are the things that cp must not get into the mesh. Each returns
// content and signature. No two contents are alike, since a good signature that
// came with the wrong content still waits for the right one.
var refusals = []struct {
	name, file, says string
	make             func(t *testing.T, m *harness.Mesh, later trust.Version) (content, signature []byte)
}{
	{"wrong key", "config.json", "Required key not available", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("forged"), m.Sign(trusttest.Signer(66), "config.json", []byte("forged"), later)
	}},
	{"key of another name", "config.json", "Permission denied", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("other"), m.Sign(trusttest.Signer(2), "config.json", []byte("other"), later)
	}},
	{"one flipped bit in the content", "config.json", "Key was rejected by service", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("conteot"), m.Sign(m.Signer, "config.json", []byte("contenu"), later)
	}},
	{"one flipped bit in the comment", "config.json", "Key was rejected by service", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("comment"), flipComment(m.Sign(m.Signer, "config.json", []byte("comment"), later))
	}},
	{"one flipped bit in the signature", "config.json", "Key was rejected by service", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("signature"), flipEncoded(t, m.Sign(m.Signer, "config.json", []byte("signature"), later), lineSignature)
	}},
	{"one flipped bit in the comment's signature", "config.json", "Key was rejected by service", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("global"), flipEncoded(t, m.Sign(m.Signer, "config.json", []byte("global"), later), lineGlobal)
	}},
	{"signed for another name", "config.json", "Key was rejected by service", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("renamed"), m.Sign(m.Signer, "fence", []byte("renamed"), later)
	}},
	{"older version", "config.json", "Stale file handle", func(t *testing.T, m *harness.Mesh, _ trust.Version) ([]byte, []byte) {
		return []byte("older"), m.Sign(m.Signer, "config.json", []byte("older"), 1)
	}},
	{"10 MiB + 1", "config.json", "File too large", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		content := make([]byte, trust.MaxContent+1)
		return content, m.Sign(m.Signer, "config.json", content, later)
	}},
	{"undeclared name", "undeclared", "Permission denied", func(t *testing.T, m *harness.Mesh, later trust.Version) ([]byte, []byte) {
		return []byte("undeclared"), m.Sign(m.Signer, "undeclared", []byte("undeclared"), later)
	}},
	{"garbage signature", "config.json", "Bad message", func(*testing.T, *harness.Mesh, trust.Version) ([]byte, []byte) {
		return []byte("garbage"), noise("garbage", 300)
	}},
}

// TestRefusalIsWhatCpPrintsAndChangesNothing copies each with cp in each order.
// In the end a good file on another name is a fence: when every node has it and
// exactly one change more than before, nothing else was on its way.
func TestRefusalIsWhatCpPrintsAndChangesNothing(t *testing.T) {
	files := harness.Names("config.json", "fence")
	files["theirs"] = []string{trusttest.Signer(2).Public().Key.String()}
	m := harness.Start(t, harness.Options{Files: files})
	good := []byte("good\n")
	m.Write("config.json", good)
	m.Must("dmfs file update config.json --key my.key --mount $A")
	harness.Eventually(t, patience, harness.Shows("config.json", good, m.Nodes...))
	before := statesOf(m)

	for _, r := range refusals {
		content, signature := r.make(t, m, trust.VersionAt(time.Now()))
		m.Write(r.file, content)
		m.Write(r.file+".sig", signature)
		for _, order := range []string{"$F $F.sig", "$F.sig $F"} {
			t.Run(r.name+", "+order, func(t *testing.T) {
				m.During(t)
				out, ok := m.Shell("F=" + r.file + "; cp " + order + " $A/")
				if ok || !strings.Contains(out, ": "+r.says+"\n") {
					t.Errorf("cp succeeded: %v, and does not say %q: %s", ok, r.says, out)
				}
				for i, now := range statesOf(m) {
					now.same(t, before[i], 0)
				}
			})
		}
	}

	fence := []byte("fence\n")
	m.Write("fence", fence)
	m.Must("dmfs file update fence --key my.key --mount $A")
	harness.Eventually(t, patience, harness.Shows("fence.sig", []byte(m.Must("cat $A/fence.sig")), m.Nodes...))
	for i, now := range statesOf(m) {
		delete(now.files, "fence")
		delete(now.files, "fence.sig")
		now.same(t, before[i], 1)
	}
}

// state is what a node holds and shows.
type state struct {
	node  string
	seq   uint64
	files harness.Snapshot
}

func statesOf(m *harness.Mesh) (states []state) {
	for _, n := range m.Nodes {
		states = append(states, state{n.Name, n.Status().Seq, n.Snapshot()})
	}
	return states
}

func (s state) same(t *testing.T, before state, changes uint64) {
	t.Helper()
	if s.seq != before.seq+changes {
		t.Errorf("node %s went from change %d to %d", s.node, before.seq, s.seq)
	}
	if err := before.files.Differs(s.files); err != nil {
		t.Errorf("node %s: %v", s.node, err)
	}
}
