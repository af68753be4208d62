package sallyport_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/letter"
)

// TestEveryNoticeIsKnown: every call of notify in the rules has an existing kind, with exactly its facts.
func TestEveryNoticeIsKnown(t *testing.T) {
	sent := 0
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "notify.go" {
			continue
		}
		faults, kinds := noticeFaults(t, name, nil)
		for _, fault := range faults {
			t.Error(fault)
		}
		sent += len(kinds)
	}
	if sent == 0 {
		t.Fatal("no call of notify is found")
	}
}

func TestUnknownNoticesAreFound(t *testing.T) {
	for body, want := range map[string]int{
		`s.notify(tx, by, u, "codes.wrong", nil)`:                                                0,
		`s.notify(tx, by, u, "no.such_kind", nil)`:                                               1,
		`s.notify(tx, by, u, "authenticator.added", map[string]any{"app": x})`:                   0,
		`s.notify(tx, by, u, "authenticator.added", map[string]any{"name": x})`:                  1,
		`s.notify(tx, by, u, "authenticator.added", nil)`:                                        1,
		`s.notifyFrom(tx, by, w, u, to, "two_factor.reminder_dated", nil)`:                       1,
		`s.notifyAt(tx, by, u, to, "email.changed", map[string]any{"old": x})`:                   1,
		`kind := "codes.wrong"; if x { kind = "codes.locked" }; s.notify(tx, by, u, kind, nil)`:  0,
		`kind := "codes.wrong"; if x { kind = "no.such_kind" }; s.notify(tx, by, u, kind, nil)`:  1,
		`kind := f(); s.notify(tx, by, u, kind, nil)`:                                            1,
		`facts := map[string]any{"app": x}; s.notify(tx, by, u, "authenticator.removed", facts)`: 0,
		`facts := map[string]any{"ape": x}; s.notify(tx, by, u, "authenticator.removed", facts)`: 1,
	} {
		faults, _ := noticeFaults(t, "x.go", "package x\nfunc f() { "+body+" }")
		if len(faults) != want {
			t.Errorf("%s: %d faults are found, want %d: %q", body, len(faults), want, faults)
		}
	}
}

// noticeFaults parses one Go file. It returns what is wrong with its calls of notify, and their kinds.
func noticeFaults(t *testing.T, name string, source any) (faults, kinds []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		ast.Inspect(fn.Body, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"notify", "notifyAt", "notifyFrom", "compose"}, fun.Sel.Name) {
				return true
			}
			n := len(call.Args)
			named := constantsOf(fn, call.Args[n-2])
			if len(named) == 0 {
				faults = append(faults, files.Position(call.Pos()).String()+": say the kind of notice as a constant in this function")
			}
			facts := factsOf(fn, call.Args[n-1])
			for _, kind := range named {
				known := letter.Facts(kind)
				slices.Sort(known)
				switch {
				case !slices.Contains(letter.Kinds(), kind):
					faults = append(faults, files.Position(call.Pos()).String()+": package letter knows no kind "+kind)
				case !slices.Equal(known, facts):
					faults = append(faults, files.Position(call.Pos()).String()+": "+kind+" has the facts "+
						strings.Join(known, ", ")+"; given are "+strings.Join(facts, ", "))
				}
			}
			kinds = append(kinds, named...)
			return true
		})
	}
	return faults, kinds
}

// valuesOf returns the possible values of e: e itself or, if it is a variable, all expressions that fn assigns to it.
func valuesOf(fn *ast.FuncDecl, e ast.Expr) []ast.Expr {
	name, ok := e.(*ast.Ident)
	if !ok || name.Name == "nil" {
		return []ast.Expr{e}
	}
	var all []ast.Expr
	ast.Inspect(fn.Body, func(node ast.Node) bool {
		if a, ok := node.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, to := range a.Lhs {
				if id, ok := to.(*ast.Ident); ok && id.Name == name.Name {
					all = append(all, a.Rhs[i])
				}
			}
		}
		return true
	})
	return all
}

func constantsOf(fn *ast.FuncDecl, e ast.Expr) (all []string) {
	for _, e := range valuesOf(fn, e) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return nil
		}
		if s, err := strconv.Unquote(lit.Value); err == nil && s != "" {
			all = append(all, s)
		}
	}
	return all
}

func factsOf(fn *ast.FuncDecl, e ast.Expr) (all []string) {
	for _, e := range valuesOf(fn, e) {
		if lit, ok := e.(*ast.CompositeLit); ok {
			for _, pair := range lit.Elts {
				all = append(all, constantsOf(fn, pair.(*ast.KeyValueExpr).Key)...)
			}
		}
	}
	slices.Sort(all)
	return all
}
