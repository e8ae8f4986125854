package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"dmfs/trust"
)

// Write writes a file into the mesh's directory and returns its path.
func (m *Mesh) Write(name string, content []byte) string {
	m.t.Helper()
	path := filepath.Join(m.Dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// Read reads a file of the mesh's directory.
func (m *Mesh) Read(name string) []byte {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join(m.Dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return content
}

// Shell runs a command line of sh in the mesh's directory, with dmfs in the
// path and the mounts in $A, $B, $C..., and returns what it printed and whether
// it succeeded.
func (m *Mesh) Shell(line string) (output string, ok bool) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = m.Dir
	cmd.Env = append(environment(), "PATH="+Bin(m.t)+":"+os.Getenv("PATH"))
	for _, n := range m.Nodes {
		cmd.Env = append(cmd.Env, strings.ToUpper(n.Name)+"="+n.Mount)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		m.t.Fatalf("%s: no end after %v: %s", line, patience, &out)
	}
	return out.String(), err == nil
}

// Must runs a command line that has to succeed.
func (m *Mesh) Must(line string) string {
	m.t.Helper()
	out, ok := m.Shell(line)
	if !ok {
		m.t.Fatalf("%s: failed: %s", line, out)
	}
	return out
}

// Sign returns the text of a signature by signer, for the mesh's network.
func (m *Mesh) Sign(signer *trust.Signer, name string, content []byte, v trust.Version) []byte {
	m.t.Helper()
	return m.state(signer, content, name, v, false)
}

// Tombstone returns the text of a signed deletion.
func (m *Mesh) Tombstone(name string, v trust.Version) []byte {
	m.t.Helper()
	return m.state(m.Signer, nil, name, v, true)
}

func (m *Mesh) state(signer *trust.Signer, content []byte, name string, v trust.Version, deleted bool) []byte {
	m.t.Helper()
	parsed, err := trust.ParseName(name)
	if err != nil {
		m.t.Fatal(err)
	}
	signature, err := signer.Sign(trust.DigestOf(content), trust.Statement{
		Name: parsed, Version: v, Network: m.networkID(), Deleted: deleted,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return signature
}

// Record returns a record by the mesh's signer, for Node.Fill.
func (m *Mesh) Record(name string, content []byte, v trust.Version) trust.Record {
	m.t.Helper()
	parsed, err := trust.ParseName(name)
	if err != nil {
		m.t.Fatal(err)
	}
	r, err := m.policy.Verify(trust.NewClaim(parsed, m.Sign(m.Signer, name, content, v), content), v.Time())
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// Copy does what `cp FILE FILE.sig MOUNT` does. The verdict is the result of
// closing the second half.
func (n *Node) Copy(name string, content, signature []byte) error {
	path := filepath.Join(n.Mount, name)
	if err := copyInto(path, content); err != nil {
		return err
	}
	return copyInto(path+".sig", signature)
}

func copyInto(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
