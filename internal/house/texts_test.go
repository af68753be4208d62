package house_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"
	"unicode"

	"golang.org/x/net/html"
)

// Every text that users read must come from the catalogue (package text), with exactly one value for each placeholder
// and only the allowed tags.

func TestTextsInTemplates(t *testing.T) {
	files := filesUnder(t, "../..", ".html")
	if len(files) == 0 {
		t.Fatal("found no templates")
	}
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range templateFaults(t, name, string(source)) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

func TestTextsInGo(t *testing.T) {
	for _, dir := range []string{"../../*.go", "../web/*.go", "../edge/*.go", "../letter/*.go", "../mail/*.go", "../rule/*.go", "../text/*.go"} {
		files, err := filepath.Glob(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			// In other packages, texts may be for logs and for the host's administrator. The names of browsers in agent.go are
			// stored in one language and shown as stored.
			shown := (dir == "../web/*.go" || dir == "../edge/*.go") && name != "../edge/agent.go"
			for _, fault := range goFaults(t, name, nil, shown) {
				t.Error(fault)
			}
		}
	}
}

// TestTextsAreFound checks that the tests above find what they look for.
func TestTextsAreFound(t *testing.T) {
	templates := map[string]int{
		`<p>{{t "Fine"}}</p>`:                                            0,
		`<p>{{t "Dear <bdi>{name}</bdi>" "name" .N}}</p>`:                0,
		`<p>{{tn "{n} code" "{n} codes" .N}} · 1/2</p>`:                  0,
		`<input title="{{t "Fine"}}" value="go" data-x="y">`:             0,
		`{{define "a"}} id="{{.}}" class="b"{{end}}`:                     0,
		`<style>a { color: {{.}} }</style>`:                              0,
		`<style>a {}</style><p>Stray</p>`:                                1,
		`<p>Stray</p>`:                                                   1,
		`{{if .A}}{{else}}<p>Stray</p>{{end}}`:                           1,
		`{{define "a"}}{{range .}}Stray{{else}}Stray{{end}}{{end}}`:      1,
		`<input placeholder="Stray">`:                                    1,
		`<a aria-label="{{t "Fine"}} stray" title="Stray"></a>`:          2,
		`<meta name="description" content="Stray">`:                      1,
		`<input type="submit" value="Stray">`:                            1,
		`{{t .Stray}}`:                                                   1,
		`{{t "Dear {name}"}}`:                                            1,
		`{{t "Dear" "name" .N}}`:                                         1,
		`{{tn "{n} {x}" "{n}" .N}}`:                                      1,
		`{{template "x" (field . "a" (t "<b>Bold</b>") "hint" (t .H))}}`: 2,
		`{{t "R &amp; D"}}`:                                              1,
		`{{t "<a href=\"https://elsewhere\">x</a>"}}`:                    1,
		`{{t "<a href=\"/help/2fa\">x</a>"}}`:                            0,
	}
	for source, want := range templates {
		if got := templateFaults(t, "x", source); len(got) != want {
			t.Errorf("%s: found %d faults, want %d: %q", source, len(got), want, got)
		}
	}
	code := map[string]int{
		`text.Say("Fine {x}", "x", 1)`:                           0,
		`text.Count(2, "{n} code", "{n} codes")`:                 0,
		`errors.New("all in small letters")`:                     0,
		`x.Set("Content-Type", "no-store")`:                      0,
		`text.Say("Fine", values...)`:                            0,
		`f("A stray sentence.")`:                                 1,
		`f("Stray")`:                                             1,
		`text.Say(key)`:                                          0,
		`text.Say("Missing {x}")`:                                1,
		`text.Count(2, "{n} of {x}", "{n} of {x}", "y", "what")`: 3,
		`text.Key(stray)`:                                        1,
	}
	for source, want := range code {
		if got := goFaults(t, "x.go", "package x\nvar _ = "+source, true); len(got) != want {
			t.Errorf("%s: found %d faults, want %d: %q", source, len(got), want, got)
		}
	}
}

func filesUnder(t *testing.T, root, suffix string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, suffix) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// templateFaults checks one template file.
func templateFaults(t *testing.T, name, source string) []string {
	t.Helper()
	trees := map[string]*parse.Tree{}
	top := parse.New(name)
	top.Mode = parse.SkipFuncCheck
	if _, err := top.Parse(source, "", "", trees); err != nil {
		t.Fatal(err)
	}
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(trees)) {
		var markup strings.Builder
		faults = append(faults, walk(trees[key].Root, &markup)...)
		faults = append(faults, markupFaults(markup.String())...)
	}
	return faults
}

// walk collects the markup of a template, with a placeholder character for each action, and checks calls of t and tn.
func walk(node parse.Node, markup *strings.Builder) (faults []string) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			faults = append(faults, walk(child, markup)...)
		}
	case *parse.TextNode:
		markup.Write(n.Text)
	case *parse.IfNode:
		return walkBranch(&n.BranchNode, markup)
	case *parse.RangeNode:
		return walkBranch(&n.BranchNode, markup)
	case *parse.WithNode:
		return walkBranch(&n.BranchNode, markup)
	case *parse.ActionNode:
		markup.WriteString("\u00b7")
		return walk(n.Pipe, markup)
	case *parse.TemplateNode:
		return walk(n.Pipe, markup)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, cmd := range n.Cmds {
			faults = append(faults, callFaults(cmd)...)
			for _, arg := range cmd.Args {
				faults = append(faults, walk(arg, markup)...)
			}
		}
	}
	return faults
}

func walkBranch(n *parse.BranchNode, markup *strings.Builder) []string {
	faults := walk(n.Pipe, markup)
	faults = append(faults, walk(n.List, markup)...)
	return append(faults, walk(n.ElseList, markup)...)
}

// callFaults checks one call of t or tn in a template.
func callFaults(cmd *parse.CommandNode) []string {
	word, ok := cmd.Args[0].(*parse.IdentifierNode)
	if !ok || word.Ident != "t" && word.Ident != "tn" {
		return nil
	}
	keys, values := 1, 2
	if word.Ident == "tn" {
		keys, values = 2, 4
	}
	var texts, names []string
	for i := 1; i <= keys; i++ {
		key, ok := cmd.Args[min(i, len(cmd.Args)-1)].(*parse.StringNode)
		if !ok {
			return []string{fmt.Sprintf("%s: a key is not a constant", cmd)}
		}
		texts = append(texts, key.Text)
	}
	for i := values; i < len(cmd.Args); i += 2 {
		name, ok := cmd.Args[i].(*parse.StringNode)
		if !ok {
			return []string{fmt.Sprintf("%s: the name of a value is not a constant", cmd)}
		}
		names = append(names, name.Text)
	}
	return keyFaults(texts, names)
}

// shownAttributes are the attributes whose values users see or hear.
var shownAttributes = []string{"placeholder", "title", "aria-label", "aria-description", "alt", "label",
	"data-label", "data-hide", "data-done", "data-say"}

// markupFaults finds letters in text and in shown attributes. Texts from the catalogue were replaced by walk.
func markupFaults(markup string) (faults []string) {
	if !strings.Contains(markup, "<") && regexp.MustCompile(`^\s*\W*[a-z-]+="`).MatchString(markup) {
		markup = "<x " + markup + ">" // a part that belongs inside a tag
	}
	tokens, within := html.NewTokenizer(strings.NewReader(markup)), ""
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return faults
		case html.EndTagToken:
			within = ""
		case html.TextToken:
			if within == "style" {
				continue
			}
			if s := tokens.Token().Data; hasLetters(s) {
				faults = append(faults, fmt.Sprintf("text that is not from the catalogue: %q", strings.TrimSpace(s)))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			tag := tokens.Token()
			within = tag.Data
			has := func(name string, values ...string) bool {
				return slices.ContainsFunc(tag.Attr, func(a html.Attribute) bool { return a.Key == name && slices.Contains(values, a.Val) })
			}
			for _, a := range tag.Attr {
				shown := slices.Contains(shownAttributes, a.Key) ||
					a.Key == "content" && has("name", "description") ||
					a.Key == "value" && has("type", "submit", "button", "reset")
				if shown && hasLetters(a.Val) {
					faults = append(faults, fmt.Sprintf("%s that is not from the catalogue: %q", a.Key, a.Val))
				}
			}
		}
	}
}

func hasLetters(s string) bool { return strings.ContainsFunc(s, unicode.IsLetter) }

var (
	placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)
	allowedTags = regexp.MustCompile(`</?(strong|em|code|kbd|bdi)>|<a href="/[a-z0-9/-]*(#[a-z-]+)?">|</a>`)
)

// keyFaults compares the placeholders of one message's texts with the names of its values.
func keyFaults(texts, names []string) (faults []string) {
	used := map[string]bool{}
	for _, s := range texts {
		for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
			used[m[1]] = true
			if !slices.Contains(names, m[1]) && !(m[1] == "n" && len(texts) == 2) {
				faults = append(faults, fmt.Sprintf("%q: {%s} has no value", s, m[1]))
				break
			}
		}
		if plain := placeholder.ReplaceAllString(allowedTags.ReplaceAllString(s, ""), ""); strings.ContainsAny(plain, "<>&{}") {
			faults = append(faults, fmt.Sprintf("%q: contains markup that is not allowed in messages", s))
		}
	}
	for _, name := range names {
		if !used[name] {
			faults = append(faults, fmt.Sprintf("%q: no text uses the value %q", texts[0], name))
		}
	}
	return faults
}

// readable matches a sentence or a single word as users read it: a capital letter, then small letters.
var readable = regexp.MustCompile(`^[A-Z]([a-z]*[ ,.!?:'].*|[a-z]+)$`)

// goFaults checks one Go file. With shown, it reports every readable text outside the catalogue.
func goFaults(t *testing.T, name string, source any, shown bool) (faults []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := func(n ast.Node, list []string) {
		for _, fault := range list {
			faults = append(faults, fmt.Sprintf("%s: %s", files.Position(n.Pos()), fault))
		}
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field: // tags
			return n.Tag == nil
		case *ast.CallExpr:
			switch called(n) {
			case "text.Say":
				in(n, sayFaults(n, n.Args[:1], n.Args[1:]))
				return false
			case "text.Count":
				in(n, sayFaults(n, n.Args[1:3], n.Args[3:]))
				return false
			case "text.Key":
				if _, ok := constant(n.Args[0]); !ok {
					in(n, []string{"a key is not a constant"})
				}
			case "Get", "Set", "Add", "Del", "Values": // of http.Header
				return false
			}
		case *ast.IndexExpr: // of http.Header
			return false
		case *ast.BasicLit:
			if s, ok := constant(n); ok && shown && s != "Sallyport" && readable.MatchString(s) {
				in(n, []string{fmt.Sprintf("text that is not from the catalogue: %q", s)})
			}
		}
		return true
	})
	return faults
}

// called returns the name of the called function with its package if it is in package text, or of the called method.
func called(call *ast.CallExpr) string {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if pkg, ok := fun.X.(*ast.Ident); ok && pkg.Name == "text" {
		return "text." + fun.Sel.Name
	}
	return fun.Sel.Name
}

func sayFaults(call *ast.CallExpr, keys, values []ast.Expr) []string {
	var texts, names []string
	for _, key := range keys {
		s, ok := constant(key)
		if !ok {
			return nil // the type Key guarantees that it was once a constant
		}
		texts = append(texts, s)
	}
	if call.Ellipsis != token.NoPos {
		return nil // the values are not known here
	}
	for i := 0; i < len(values); i += 2 {
		name, ok := constant(values[i])
		if !ok {
			return []string{fmt.Sprintf("%q: the name of a value is not a constant", texts[0])}
		}
		names = append(names, name)
	}
	return keyFaults(texts, names)
}

func constant(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
