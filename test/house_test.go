// Package test holds dmfs to its promises: the rules of the house, and whole
// nodes run as their users run them.
package test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = ".."

// source is one parsed Go file; path is relative to the root.
type source struct {
	path string
	text string
	file *ast.File
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// fset holds the positions of all sources.
var fset = token.NewFileSet()

// sources parses every Go file of the project.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, file, text, parser.ParseComments)
		rel, _ := filepath.Rel(root, file)
		all = append(all, source{filepath.ToSlash(rel), string(text), parsed})
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sources: %v", len(all), err)
	}
	return all
}

// layers says which packages of the house each may import. A package below one
// of them counts as that one.
var layers = map[string][]string{
	"trust":    {},
	"index":    {"trust"},
	"replica":  {"index", "trust"},
	"fs":       {"index", "trust"},
	"cmd/dmfs": {"fs", "replica", "index", "trust"},
	"test":     {"fs", "replica", "index", "trust"},
}

func layerOf(dir string) string {
	for layer := range layers {
		if dir == layer || strings.HasPrefix(dir, layer+"/") {
			return layer
		}
	}
	return ""
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		from := layerOf(s.dir())
		if from == "" {
			t.Errorf("%s: no layer of the house", s.path)
		}
		for _, spec := range s.file.Imports {
			target, _ := strconv.Unquote(spec.Path.Value)
			dir, ours := strings.CutPrefix(target, "dmfs/")
			if !ours {
				continue
			}
			if to := layerOf(dir); to != from && !slices.Contains(layers[from], to) {
				t.Errorf("%s imports %s: %s may import %v", fset.Position(spec.Pos()), target, from, layers[from])
			}
			if serves := servesTests(dir); serves && !s.isTest() && !servesTests(s.dir()) {
				t.Errorf("%s imports %s, which is for tests", fset.Position(spec.Pos()), target)
			}
		}
	}
}

// servesTests says whether dir is a package for tests: trusttest, test/harness.
func servesTests(dir string) bool {
	return dir == "test" || strings.HasPrefix(dir, "test/") || strings.HasSuffix(dir, "test")
}

func TestEveryPackageAndExportedNameIsDocumented(t *testing.T) {
	byDir := map[string][]*ast.File{}
	for _, s := range sources(t) {
		if !s.isTest() {
			byDir[s.dir()] = append(byDir[s.dir()], s.file)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		pkg, err := doc.NewFromFiles(fset, byDir[dir], "dmfs/"+dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(pkg.Doc) < 40 {
			t.Errorf("package %s says nothing about itself", dir)
		}
		for _, name := range undocumented(pkg) {
			t.Errorf("%s.%s has no doc comment", dir, name)
		}
	}
}

// undocumented lists the exported names of pkg without a comment.
func undocumented(pkg *doc.Package) (names []string) {
	values := func(group []*doc.Value) {
		for _, v := range group {
			if v.Doc == "" && !everySpecDocumented(v.Decl) {
				names = append(names, v.Names...)
			}
		}
	}
	funcs := func(prefix string, group []*doc.Func) {
		for _, f := range group {
			if f.Doc == "" {
				names = append(names, prefix+f.Name)
			}
		}
	}
	values(pkg.Consts)
	values(pkg.Vars)
	funcs("", pkg.Funcs)
	for _, typ := range pkg.Types {
		if typ.Doc == "" {
			names = append(names, typ.Name)
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
	}
	return names
}

func everySpecDocumented(decl *ast.GenDecl) bool {
	return !slices.ContainsFunc(decl.Specs, func(spec ast.Spec) bool {
		value, ok := spec.(*ast.ValueSpec)
		return ok && value.Doc == nil && value.Comment == nil
	})
}

func TestRootHoldsOnlyWhatBelongsThere(t *testing.T) {
	allowed := []string{
		".ci", ".git", ".github", ".gitignore", ".golangci.yml",
		"CHANGELOG.md", "CONTRIBUTING.md", "DESIGN.md", "LICENSE", "README.md", "SECURITY.md",
		"cmd", "docs", "flake.lock", "flake.nix", "fs", "go.mod", "go.sum", "index", "nix", "replica", "test", "trust",
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong into the root", e.Name())
		}
	}
}

// TestInvariantsAreTested looks for the number of each invariant in the tests:
// in a name, a comment or a case.
func TestInvariantsAreTested(t *testing.T) {
	tested := map[string]bool{}
	number := regexp.MustCompile(`(?:\b|Test|_)I(10|[1-9])(?:\b|[_A-Z])`)
	for _, s := range sources(t) {
		if !s.isTest() || s.path == "test/house_test.go" {
			continue
		}
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			body := s.text[fset.Position(f.Pos()).Offset:fset.Position(f.End()).Offset]
			for _, m := range number.FindAllStringSubmatch(f.Doc.Text()+body, -1) {
				tested[m[1]] = true
			}
		}
	}
	for _, want := range []string{"1", "2", "3", "4", "5", "6", "7", "9", "10"} {
		if !tested[want] {
			t.Errorf("no test carries I%s", want)
		}
	}
}

func TestNoTestSleeps(t *testing.T) {
	for _, s := range sources(t) {
		if !s.isTest() && !servesTests(s.dir()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
				t.Errorf("%s: wait for a condition instead", fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// TestOnlyMainExits looks for what would end the process behind main's back.
func TestOnlyMainExits(t *testing.T) {
	exits := regexp.MustCompile(`\bos\.Exit\(|\blog\.Fatal`)
	for _, s := range sources(t) {
		if s.isTest() || s.path == "cmd/dmfs/main.go" || servesTests(s.dir()) {
			continue
		}
		if at := exits.FindString(s.text); at != "" {
			t.Errorf("%s calls %s", s.path, at)
		}
	}
}

// TestFuzzSeedsExist keeps seeds from vanishing unnoticed: every fuzz test
// adds some itself or has a corpus.
func TestFuzzSeedsExist(t *testing.T) {
	found := 0
	for _, s := range sources(t) {
		for _, decl := range s.file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !s.isTest() || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			found++
			corpus, err := filepath.Glob(filepath.Join(root, s.dir(), "testdata", "fuzz", f.Name.Name, "*"))
			body := s.text[fset.Position(f.Pos()).Offset:fset.Position(f.End()).Offset]
			if err != nil || len(corpus) == 0 && !strings.Contains(body, "f.Add(") {
				t.Errorf("%s: %s has no seeds", s.path, f.Name.Name)
			}
		}
	}
	if found == 0 {
		t.Error("there is no fuzz test at all")
	}
}
