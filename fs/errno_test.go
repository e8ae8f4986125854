package fs

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// notAnswers are exported errors that no operation on a file returns, or that
// mean a fault of ours: EIO.
var notAnswers = map[string]bool{
	"index.ErrInUse": true, "index.ErrFormat": true, "index.ErrCorrupt": true, "index.ErrNoContent": true, "index.ErrClosed": true,
	"fs.ErrServed": true, "fs.ErrBusy": true, "fs.ErrNotEmpty": true, "fs.ErrNotDir": true,
}

// TestErrnoTableIsComplete walks every exported error of the packages that
// operations come from.
func TestErrnoTableIsComplete(t *testing.T) {
	table := map[string]bool{}
	for _, row := range errno {
		table[row.err.Error()] = true
	}
	var missing []string
	for pkg, dir := range map[string]string{"trust": "../trust", "index": "../index", "fs": "."} {
		for name, text := range exportedErrors(t, dir) {
			if !table[text] && !notAnswers[pkg+"."+name] {
				missing = append(missing, pkg+"."+name)
			}
		}
	}
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Errorf("not in the table: %s", diff)
	}
}

// exportedErrors returns the variables Err… made by errors.New, with their texts.
func exportedErrors(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Err") && len(v.Values) == 1 {
				call := v.Values[0].(*ast.CallExpr)
				found[v.Names[0].Name] = strings.Trim(call.Args[0].(*ast.BasicLit).Value, `"`)
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatalf("%s: no exported errors", dir)
	}
	return found
}

func TestErrno(t *testing.T) {
	for _, row := range errno {
		if got := Errno(fmt.Errorf("wrapped: %w", row.err)); got != row.code {
			t.Errorf("%v: %v, want %v", row.err, got, row.code)
		}
	}
	if got := Errno(errors.New("anything")); got != syscall.EIO {
		t.Errorf("unknown: %v", got)
	}
	if got := Errno(nil); got != 0 {
		t.Errorf("nil: %v", got)
	}
	if got := status(syscall.ENOSYS); syscall.Errno(got) != syscall.EIO {
		t.Errorf("ENOSYS escapes as %v", got)
	}
}
