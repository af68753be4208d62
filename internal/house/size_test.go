package house_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the path of the module, relative to this package.
const root = "../.."

// Limits, without tests and generated files. A typical file has 120 lines.
const (
	fileLines      = 500
	functionLines  = 60
	interfaceWidth = 5
	rootLines      = 10500 // of the root package without the files of the doors (9,000 before passkeys and approvals): docs/decisions/0024-what-leaves-the-root.md
	doorLines      = 5300  // of the files of the doors for apps
	interfaceCount = 4     // besides the storage of each concept, whose name ends in Tx
)

// doorFiles are the files of the root package about apps, and about what the doors tell them.
var doorFiles = []string{
	"acr.go", "app.go", "apptoken.go", "appuse.go", "assertion.go", "authorize.go", "backchannel.go", "claims.go", "client.go", "clientauth.go",
	"devicecode.go", "endsession.go", "grant.go", "group.go", "introspect.go", "level.go", "membership.go", "pass.go", "proxy.go", "pushed.go", "refresh.go", "request.go",
	"rotation.go", "secret.go", "signing.go", "ticket.go",
}

func TestSizes(t *testing.T) {
	interfaces, lines, doors := 0, 0, 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (name[0] == '.' || name == "build" || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, declared, err := oversized(strings.TrimPrefix(path, root+"/"), source)
		interfaces += declared
		if n := bytes.Count(source, []byte("\n")); filepath.Dir(path) == root && slices.Contains(doorFiles, name) {
			doors += n
		} else if filepath.Dir(path) == root {
			lines += n
		}
		for _, what := range found {
			t.Error(what)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines > rootLines {
		t.Errorf("the root package has %d lines, more than %d: which part does not belong to the rules?", lines, rootLines)
	}
	if doors > doorLines {
		t.Errorf("the files of the doors have %d lines, more than %d: which part does not belong to the rules?", doors, doorLines)
	}
	if interfaces > interfaceCount {
		t.Errorf("there are %d interfaces besides storage, more than %d: is each used by two kinds of caller or callee?", interfaces, interfaceCount)
	}
}

// oversized lists what exceeds a limit in a source file, and counts the interfaces that
// the file declares, except those of storage.
func oversized(name string, source []byte) (found []string, interfaces int, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(file) {
		return nil, 0, err
	}
	object := func(node ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s: %s", files.Position(node.Pos()), fmt.Sprintf(format, args...)))
	}
	if lines := bytes.Count(source, []byte("\n")); lines > fileLines {
		object(file, "the file has %d lines, more than %d: does it have two subjects?", lines, fileLines)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			if lines := files.Position(node.End()).Line - files.Position(node.Pos()).Line + 1; lines > functionLines {
				object(node, "%s has %d lines, more than %d: which part could be a function of its own?", node.Name.Name, lines, functionLines)
			}
		case *ast.TypeSpec:
			if kind, ok := node.Type.(*ast.InterfaceType); ok {
				if !strings.HasSuffix(node.Name.Name, "Tx") {
					interfaces++
				}
				if width := kind.Methods.NumFields(); width > interfaceWidth && node.Name.Name != "Tx" {
					object(node, "%s has %d methods, more than %d: which of them does one caller need?", node.Name.Name, width, interfaceWidth)
				}
			}
		}
		return true
	})
	return found, interfaces, nil
}

func TestSizesFindsWhatIsTooLarge(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("\n", n) }
	for name, test := range map[string]struct {
		source     string
		want       string // empty if nothing is too large
		interfaces int
	}{
		"as it should be":   {"package p\n\ntype I interface { A(); B(); C(); D(); E() }\n\nfunc F() {" + lines(59) + "}\n", "", 1},
		"a long file":       {"package p" + lines(501), "the file has 501 lines", 0},
		"the longest file":  {"package p" + lines(500), "", 0},
		"a long function":   {"package p\n\nfunc F() {" + lines(60) + "}\n", "F has 61 lines", 0},
		"a long method":     {"package p\n\nfunc (t T) F() {" + lines(60) + "}\n", "F has 61 lines", 0},
		"a wide interface":  {"package p\n\ntype I interface { A(); B(); C(); D(); E(); F() }\n", "I has 6 methods", 1},
		"a wide sum":        {"package p\n\ntype I interface { A; B; C; D; E; F }\n", "I has 6 methods", 1},
		"the sum":           {"package p\n\ntype Tx interface { A; B; C; D; E; F }\n", "", 0},
		"storage":           {"package p\n\ntype KeyTx interface { A(); B() }\n", "", 0},
		"a generated file":  {"// Code generated by hand. DO NOT EDIT.\n\npackage p\n\nfunc F() {" + lines(60) + "}\n", "", 0},
		"interfaces inside": {"package p\n\nfunc F() {\n\ttype i interface { A() }\n\ttype j interface { A() }\n}\n", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			found, interfaces, err := oversized("p.go", []byte(test.source))
			if err != nil {
				t.Fatal(err)
			}
			if interfaces != test.interfaces {
				t.Errorf("%d interfaces, want %d", interfaces, test.interfaces)
			}
			got := strings.Join(found, "\n")
			if !strings.Contains(got, test.want) || (test.want == "") != (got == "") {
				t.Errorf("reported %q, want %q", got, test.want)
			}
		})
	}
}
