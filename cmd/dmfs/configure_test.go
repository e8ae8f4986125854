package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"dmfs/index"
)

// here is what the documented keys say where and for whom the tests run.
func here() string {
	return strings.NewReplacer(`"/run/data-mesher"`, quoted(defaultMountpoint()), `"/var/lib/dmfs"`, quoted(defaultStateDir()),
		`uid = "root"`, "", `gid = "root"`, "").Replace(documented)
}

func quoted(text string) string { return `"` + text + `"` }

func readText(t *testing.T, text string) *Config {
	t.Helper()
	d, err := parseDocument(filepath.Join(t.TempDir(), "dmfs.toml"), text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.config()
	if err != nil {
		t.Fatal(err)
	}
	c.Path = ""
	return c
}

func TestEveryKeyIsDocumentedAndAccepted(t *testing.T) {
	c := readText(t, here())
	if c.Metrics == "" || len(c.Rules.Bounds) != 1 || len(c.Rules.RevokedCertificates) != 1 {
		t.Errorf("the examples came to %+v", c)
	}
	var into map[string]any
	md, err := toml.Decode(documented, &into)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, key := range md.Keys() {
		if len(key) == 1 || known[key[0]] != nil {
			got[key.String()] = true
		}
	}
	want := map[string]bool{}
	for table, keys := range known {
		want[table] = true
		for _, key := range keys {
			want[table+"."+key] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("(-known +documented):\n%s", diff)
	}
}

// TestDocumentedDefaultsAreThose: to write a default down changes nothing.
func TestDocumentedDefaultsAreThose(t *testing.T) {
	const file = "\n[files]\n" + seedKey
	absent := readText(t, file)
	// What is left to other packages is 0.
	absent.Rules.ClockSkew = absent.Policy.ClockSkew()
	absent.KeepVersions, absent.QuotaFiles, absent.QuotaBytes = index.DefaultHistory, index.DefaultQuotaFiles, index.DefaultQuotaBytes
	absent.Mount.DirMode, absent.Mount.FileMode = 0o755, 0o444
	absent.Mount.MaxDrafts, absent.Mount.MaxDraftBytes, absent.Mount.DraftAge = 1024, 128<<20, 10*time.Minute

	written := readText(t, withoutExamples(here())+file)
	if diff := cmp.Diff(fields(absent), fields(written)); diff != "" {
		t.Errorf("(-absent +documented):\n%s", diff)
	}
}

// fields are what is in a configuration, an empty list being none.
func fields(c *Config) []string {
	c.Policy = nil
	return strings.Fields(fmt.Sprintf("%+v", *c))
}

// withoutExamples leaves what stands in the documentation as a default.
func withoutExamples(text string) string {
	var rest strings.Builder
	skip := false
	for line := range strings.Lines(text) {
		example := strings.HasSuffix(line, "  # example\n")
		if strings.HasPrefix(line, "[") {
			skip = example
		}
		if !skip && !example {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// TestDocumentedOwnerIsRoot: the one default that depends on who runs the node.
func TestDocumentedOwnerIsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the owner is somebody else here")
	}
	if c := readText(t, documented); c.Mount.UID != 0 || c.Mount.GID != 0 {
		t.Errorf("owned by %d:%d", c.Mount.UID, c.Mount.GID)
	}
}
