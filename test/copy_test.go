package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"dmfs/test/harness"
	"dmfs/trust"
)

// noise is size bytes that nothing compresses, always the same.
func noise(seed string, size int) []byte {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(content) // never fails
	return content
}

// TestPairCopiedAtOneNodeIsByteEqualAtTheOthers signs and copies with the
// commands that users type.
func TestPairCopiedAtOneNodeIsByteEqualAtTheOthers(t *testing.T) {
	m := harness.Start(t, harness.Options{Files: harness.Names("config.json", "dns/cnames")})
	for _, test := range []struct {
		name, file string
		size       int
		copy       string // F is the file, T its target
	}{
		{"content first", "config.json", 700, `cp "$F" "$T" && cp "$F.sig" "$T.sig"`},
		{"signature first", "config.json", 701, `cp "$F.sig" "$T.sig" && cp "$F" "$T"`},
		{"both at once", "config.json", 702, `cp "$F" "$F.sig" "$(dirname "$T")/"`},
		{"both at once the other way", "config.json", 703, `cp "$F.sig" "$F" "$(dirname "$T")/"`},
		{"in a directory", "dns/cnames", 704, `cp "$F" "$F.sig" "$(dirname "$T")/"`},
		{"0 bytes", "config.json", 0, `cp "$F" "$F.sig" "$(dirname "$T")/"`},
		{"one chunk more than is sent along", "config.json", 100_000, `cp "$F" "$F.sig" "$(dirname "$T")/"`},
		{"exactly 10 MiB", "config.json", trust.MaxContent, `cp "$F" "$F.sig" "$(dirname "$T")/"`},
		{"10 MiB, signature first", "dns/cnames", trust.MaxContent, `cp "$F.sig" "$T.sig" && cp "$F" "$T"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m.During(t)
			content := noise(test.name, test.size)
			base := filepath.Base(test.file)
			m.Write(base, content)
			m.Must(fmt.Sprintf("dmfs file sign %s --key my.key --name %s", base, test.file))
			m.Must(fmt.Sprintf("F=%s; T=$A/%s; %s", base, test.file, test.copy))
			awaitPair(t, m, test.file, content, m.Read(base+".sig"))
		})
	}
}

// awaitPair waits until every node shows content and signature under name; the
// first one must do so at once.
func awaitPair(t *testing.T, m *harness.Mesh, name string, content, signature []byte) {
	t.Helper()
	for half, want := range map[string][]byte{name: content, name + ".sig": signature} {
		got, err := os.ReadFile(filepath.Join(m.Nodes[0].Mount, half))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not in its own mount when cp returns: %d bytes: %v", half, len(got), err)
		}
		harness.Eventually(t, patience, harness.Shows(half, want, m.Nodes...))
	}
}

// TestPairTravelsOverEachTransportAlone keeps one from hiding that the other
// does not work.
func TestPairTravelsOverEachTransportAlone(t *testing.T) {
	for _, transport := range []string{"tcp", "quic"} {
		t.Run(transport, func(t *testing.T) {
			m := harness.Start(t, harness.Options{Transports: []string{transport}})
			content := noise(transport, trust.MaxContent)
			m.Write("config.json", content)
			m.Must("dmfs file update config.json --key my.key --mount $B")
			harness.Eventually(t, patience, harness.Shows("config.json", content, m.Nodes...))
		})
	}
}
