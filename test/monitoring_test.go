package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dmfs/test/harness"
)

const (
	monitoring = root + "/nix/monitoring"
	alerts     = monitoring + "/dmfs-alerts.yaml"
	dashboard  = monitoring + "/dmfs-dashboard.json"
)

// metricName finds names of metrics, in queries.
var metricName = regexp.MustCompile(`\b(?:dmfs|process|go)_[a-z_]+`)

// TestMonitoringNamesMetricsThatAreExported by a node that has a peer, of which it fetched
// something, and that has refused something.
func TestMonitoringNamesMetricsThatAreExported(t *testing.T) {
	o := members()
	o.Nodes = 2
	m := harness.Start(t, o)
	publish(t, m, m.Nodes[1], "config.json", []byte("for all\n"))
	m.Write("config.json", []byte("unsigned\n"))
	m.Write("config.json.sig", []byte("no signature\n"))
	if out, ok := m.Shell("cp config.json config.json.sig $A/"); ok {
		t.Errorf("was taken: %s", out)
	}
	harness.Eventually(t, patience, func() error {
		exported := map[string]bool{}
		for _, line := range strings.Split(m.Must("cat $A/.dmfs/metrics"), "\n") {
			exported[metricName.FindString(line)] = true
		}
		for _, name := range namedMetrics(t) {
			if !exported[name] {
				return fmt.Errorf("%s is not exported", name)
			}
		}
		return nil
	})
}

// namedMetrics are all metrics that rules and dashboard name.
func namedMetrics(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, query := range append(queries(t), string(read(t, alerts))) {
		for _, line := range strings.Split(query, "\n") {
			if strings.Contains(line, "{{") {
				continue // text for people
			}
			for _, name := range metricName.FindAllString(line, -1) {
				names[name] = true
			}
		}
	}
	if len(names) < 20 {
		t.Errorf("only %d metrics are named", len(names))
	}
	return slices.Sorted(maps.Keys(names))
}

// panel is one of the dashboard's, as far as the tests read it.
type panel struct {
	ID          int
	Type, Title string
	Datasource  struct{ Type, UID string }
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		RefID, Expr string
		Datasource  struct{ Type, UID string }
	}
}

func panels(t *testing.T) []panel {
	t.Helper()
	var d struct {
		UID, Title    string
		SchemaVersion int
		Panels        []panel
		Templating    struct{ List []struct{ Name, Type string } }
	}
	if err := json.Unmarshal(read(t, dashboard), &d); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if d.UID == "" || d.Title == "" || d.SchemaVersion == 0 || variables["datasource"] != "datasource" || variables["instance"] != "query" {
		t.Errorf("uid %q, title %q, schema %d, variables %v", d.UID, d.Title, d.SchemaVersion, variables)
	}
	return d.Panels
}

func queries(t *testing.T) (all []string) {
	t.Helper()
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// TestDashboardIsLaidOut: panels have titles, ids of their own and places that do not overlap, and
// ask the data source that one chooses.
func TestDashboardIsLaidOut(t *testing.T) {
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range panels(t) {
		if p.Title == "" || ids[p.ID] {
			t.Errorf("panel %d has no title, or its id is another's", p.ID)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if target.Expr == "" || target.RefID == "" || target.Datasource.UID != "${datasource}" {
				t.Errorf("%s: %+v", p.Title, target)
			}
		}
		if p.Type != "row" && (len(p.Targets) == 0 || p.Datasource.UID != "${datasource}") {
			t.Errorf("%s asks %+v for nothing", p.Title, p.Datasource)
		}
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s is where %s is", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestPromtoolAccepts the rules, what they do by their own tests, and the queries of the dashboard.
func TestPromtoolAccepts(t *testing.T) {
	harness.Need(t, "promtool")
	promtool := func(args ...string) {
		t.Helper()
		cmd := exec.Command("promtool", args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
	promtool("check", "rules", "dmfs-alerts.yaml")
	promtool("test", "rules", "dmfs-alerts.test.yaml")
	asked := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	rules := "groups:\n- name: dashboard\n  rules:\n"
	for i, query := range queries(t) {
		rules += fmt.Sprintf("  - { record: 'panel:%d', expr: %q }\n", i, asked.Replace(query))
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool("check", "rules", path)
}
