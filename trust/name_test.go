package trust_test

import (
	"errors"
	"strings"
	"testing"

	"dmfs/trust"
)

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 251)
	deep := strings.Repeat(long+"/", 4)[:trust.MaxName-len("/last/parts/there")]
	for _, c := range []struct{ what, name, dir, base string }{
		{"at the top", "config.json", "", "config.json"},
		{"in a directory", "dns/cnames", "dns", "cnames"},
		{"deep", "a/b/c/d", "a/b/c", "d"},
		{"capitals and hyphens", "DNS-Zones/My-File", "DNS-Zones", "My-File"},
		{"colons", "telemetry/fd00::1", "telemetry", "fd00::1"},
		{"space", "my file", "", "my file"},
		{"leading dot", ".profile", "", ".profile"},
		{"three dots", "...", "", "..."},
		{"leading hyphen", "-rf", "", "-rf"},
		{"not ASCII", "größe/日本", "größe", "日本"},
		{"sig inside", "a.sig.txt", "", "a.sig.txt"},
		{"sig without dot", "sig", "", "sig"},
		{"dmfs without dot", "dmfs/x", "dmfs", "x"},
		{"longest part", long, "", long},
		{"longest name", deep + "/last/parts/there", deep + "/last/parts", "there"},
	} {
		t.Run(c.what, func(t *testing.T) {
			n, err := trust.ParseName(c.name)
			if err != nil {
				t.Fatal(err)
			}
			if n.String() != c.name || n.Dir() != c.dir || n.Base() != c.base || n.Signature() != c.name+".sig" || n.IsZero() {
				t.Errorf("%q: dir %q, base %q, signature %q", n, n.Dir(), n.Base(), n.Signature())
			}
		})
	}
}

func TestNamesRefused(t *testing.T) {
	for _, c := range []struct{ what, name string }{
		{"empty", ""},
		{"slash", "/"},
		{"leading slash", "/a"},
		{"trailing slash", "a/"},
		{"two slashes", "a//b"},
		{"dot", "."},
		{"dot inside", "a/./b"},
		{"dot dot", "../a"},
		{"dot dot last", "a/.."},
		{"reserved", ".dmfs"},
		{"reserved prefix", "a/.dmfs-x/b"},
		{"signature", "a.sig"},
		{"only .sig", ".sig"},
		{"directory ends in .sig", "a.sig/b"},
		{"line feed", "a\nb"},
		{"tab", "a\tb"},
		{"zero byte", "a\x00b"},
		{"delete", "a\x7fb"},
		{"next line, U+0085", "a\u0085b"},
		{"not UTF-8", "a\xffb"},
		{"surrogate", "a\xed\xa0\x80"},
		{"part too long", strings.Repeat("a", 251+1)},
		{"name too long", strings.Repeat("a/", 512) + "a"},
	} {
		t.Run(c.what, func(t *testing.T) {
			n, err := trust.ParseName(c.name)
			wantRefusal(t, err, trust.ErrName)
			if !n.IsZero() {
				t.Errorf("refused, but gave %q", n)
			}
		})
	}
}

// wantRefusal checks that an error is a Refusal for the reason, in one printable line.
func wantRefusal(t *testing.T, err, reason error) {
	t.Helper()
	var r *trust.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("error %v (%T) is not a Refusal; want %v", err, err, reason)
	}
	if !errors.Is(err, reason) {
		t.Errorf("refused for %v (%q); want %v", r.Err, r.Detail, reason)
	}
	for _, line := range []string{r.Detail, r.Hint} {
		if strings.ContainsAny(line, "\n\r\x00\x1b") || len(line) > 2000 {
			t.Errorf("not one short printable line: %q", line)
		}
	}
	if r.Detail == "" || r.Error() != r.Detail {
		t.Errorf("no detail: %#v", r)
	}
}
