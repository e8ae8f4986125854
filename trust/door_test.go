package trust_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dmfs/trust"
	"dmfs/trust/trusttest"
)

func TestI1ZeroRecordIsRefused(t *testing.T) {
	var zero trust.Record
	if !zero.IsZero() {
		t.Error("the zero Record claims to be one")
	}
	if zero.ProvedBy(nil) || zero.ProvedBy(new(trust.Policy)) {
		t.Error("the zero Record claims to be proved")
	}
	_, err := zero.WithContent(nil)
	wantRefusal(t, err, trust.ErrMismatch)
	if r := zero.WithoutContent(); !r.IsZero() {
		t.Error("WithoutContent makes a record of nothing")
	}
	p := trusttest.Policy(t, trusttest.Signer(1), "a")
	_, err = p.Verify(zero.Claim(), time.Unix(1, 0))
	wantRefusal(t, err, trust.ErrName)
	_, err = new(trust.Policy).Verify(trust.NewClaim(trusttest.Name(t, "a"), trusttest.Sign(t, trusttest.Signer(1), "a", nil, 1), nil), time.Unix(1, 0))
	wantRefusal(t, err, trust.ErrNotAllowed)
}

// TestI1OnlyVerifyMakesRecords reads the package's source: no other exported function or method
// gives a Record to somebody who has none, and Record has no field that others could set.
func TestI1OnlyVerifyMakesRecords(t *testing.T) {
	var makers []string
	for _, decl := range declarations(t) {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || !f.Name.IsExported() || f.Type.Results == nil {
			continue
		}
		for _, result := range f.Type.Results.List {
			if mentionsRecord(result.Type) {
				makers = append(makers, f.Name.Name)
			}
		}
	}
	slices.Sort(makers)
	if want := []string{"Verify", "WithContent", "WithoutContent"}; !slices.Equal(makers, want) {
		t.Errorf("exported functions that return records: %v; want %v", makers, want)
	}
	record := reflect.TypeFor[trust.Record]()
	for i := range record.NumField() {
		if f := record.Field(i); f.IsExported() {
			t.Errorf("Record.%s can be set from outside", f.Name)
		}
	}
	if reflect.PointerTo(record).NumMethod() != record.NumMethod() {
		t.Error("Record has methods on a pointer: one could change it")
	}
}

// declarations returns those of the package without its tests.
func declarations(t *testing.T) []ast.Decl {
	t.Helper()
	return parsed(t, func(path string) bool { return !strings.HasSuffix(path, "_test.go") })
}

// testDeclarations returns those of its tests.
func testDeclarations(t *testing.T) []ast.Decl {
	t.Helper()
	return parsed(t, func(path string) bool { return strings.HasSuffix(path, "_test.go") })
}

func parsed(t *testing.T, wanted func(path string) bool) (all []ast.Decl) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if !wanted(path) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Decls...)
	}
	if len(all) < 50 {
		t.Fatalf("only %d declarations found", len(all))
	}
	return all
}

func mentionsRecord(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && id.Name == "Record"
		return true
	})
	return found
}

// TestI10ProvedAgain proves a record under another policy from the claim that it gives.
func TestI10ProvedAgain(t *testing.T) {
	alice, bob := trusttest.Signer(1), trusttest.Signer(2)
	before, after := trusttest.Policy(t, alice, "a"), trusttest.Policy(t, alice, "a")
	without := trusttest.Policy(t, bob, "a")
	whole := trusttest.Record(t, before, alice, "a", []byte("x"), 1)
	for _, r := range []trust.Record{whole, whole.WithoutContent()} {
		again, err := after.Verify(r.Claim(), time.Unix(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		if !again.ProvedBy(after) || again.ProvedBy(before) || r.ProvedBy(after) || !r.ProvedBy(before) {
			t.Error("ProvedBy names the wrong policy")
		}
		_, had := r.Content()
		if _, has := again.Content(); has != had || trust.Compare(again, r) != 0 || !bytes.Equal(again.Signature(), r.Signature()) {
			t.Error("proving again changed the record")
		}
		_, err = without.Verify(r.Claim(), time.Unix(1, 0))
		wantRefusal(t, err, trust.ErrUnknownKey)
	}
}
