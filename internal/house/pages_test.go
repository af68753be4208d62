package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pageAddress matches the path of a page, or a link to one.
var pageAddress = regexp.MustCompile(`^/[a-z]|href`)

// TestNoPagesInTheRules: only a door knows where pages are. The rules and the wording of e-mails name a page by its kind.
func TestNoPagesInTheRules(t *testing.T) {
	for _, dir := range []string{"../../*.go", "../letter/*.go"} {
		files, err := filepath.Glob(dir)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, fault := range addressFaults(t, name, nil) {
				t.Error(fault)
			}
		}
	}
}

func TestPagesInTheRulesAreFound(t *testing.T) {
	for value, want := range map[string]int{
		"`/account/2fa`":                         1,
		"text.Say(`<a href=\"/help\">See</a>.`)": 1,
		`"/"`:                                    0,
		`"://"`:                                  0,
		`"and/or"`:                               0,
	} {
		if got := addressFaults(t, "x.go", "package x\nvar _ = "+value); len(got) != want {
			t.Errorf("%s: %q, want %d", value, got, want)
		}
	}
}

// addressFaults returns where a Go file has the address of a page.
func addressFaults(t *testing.T, name string, source any) (faults []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if lit, ok := node.(*ast.BasicLit); ok {
			if s, ok := constant(lit); ok && pageAddress.MatchString(s) {
				faults = append(faults, files.Position(lit.Pos()).String()+": the address of a page: "+s)
			}
		}
		return true
	})
	return faults
}
