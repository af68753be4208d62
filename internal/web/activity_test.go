package web_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/web"
)

// TestEveryEventHasWords: each kind of event has words, and a group in the filter of the audit log. The test finds the
// kinds in the source of the rules: in the call that records an event, or assigned to the variable there, in the same
// function or by its callers.
func TestEveryEventHasWords(t *testing.T) {
	kinds := recordedKinds(t)
	if len(kinds) < 20 {
		t.Fatalf("only %d kinds are found", len(kinds))
	}
	for kind, where := range kinds {
		if !web.HasWords(kind) {
			t.Errorf("%s: event %q has no words in activity.go", where, kind)
		}
		if !web.HasGroup(kind) {
			t.Errorf("%s: event %q has no group in audit.go", where, kind)
		}
	}
}

func recordedKinds(t *testing.T) map[string]token.Position {
	t.Helper()
	files := token.NewFileSet()
	names, err := filepath.Glob("../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	kinds := map[string]token.Position{}
	found := func(e ast.Expr) bool {
		lit, ok := e.(*ast.BasicLit)
		if ok && lit.Kind == token.STRING {
			kind, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			kinds[kind] = files.Position(e.Pos())
		}
		return ok
	}
	// through are functions that pass a kind on, with the index of the parameter.
	through := map[string]int{"record": 2}
	for range 3 {
		for _, f := range parsed {
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Name.Name == "record" {
					continue
				}
				ast.Inspect(fn, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok {
						return true
					}
					sel, ok := call.Fun.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					i, ok := through[sel.Sel.Name]
					if !ok || i >= len(call.Args) || found(call.Args[i]) {
						return true
					}
					name, ok := call.Args[i].(*ast.Ident)
					if !ok {
						t.Errorf("%s: the kind of an event is neither a constant nor a variable", files.Position(call.Pos()))
						return true
					}
					if p := parameter(fn, name.Name); p >= 0 {
						through[fn.Name.Name] = p
					} else if !assigned(fn, name.Name, found) {
						t.Errorf("%s: nothing is given to %s", files.Position(call.Pos()), name.Name)
					}
					return true
				})
			}
		}
	}
	return kinds
}

// parameter returns the index of a function's parameter, or -1 if there is none with that name.
func parameter(fn *ast.FuncDecl, name string) int {
	i := 0
	for _, field := range fn.Type.Params.List {
		for _, n := range field.Names {
			if n.Name == name {
				return i
			}
			i++
		}
	}
	return -1
}

// assigned calls found with everything that is assigned to a variable.
func assigned(fn *ast.FuncDecl, name string, found func(ast.Expr) bool) bool {
	any := false
	ast.Inspect(fn, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range a.Lhs {
			id, ok := left.(*ast.Ident)
			if ok && id.Name == name && i < len(a.Rhs) && found(a.Rhs[i]) {
				any = true
			}
		}
		return true
	})
	return any
}
