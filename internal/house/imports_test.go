// Package house_test checks the rules of the code base: which package may
// import which, how large files, functions and interfaces may grow, and that
// texts come from the catalogue. It contains only tests.
package house_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the path of our module. In the rules below, a dot stands for it.
const module = "github.com/sallyport-2fa/sallyport"

var (
	leaves = []string{"./internal/colour", "./internal/fold", "./internal/jose", "./internal/lifetime", "./internal/otp", "./internal/passwd", "./internal/seal", "./internal/snippet", "./internal/text"}
	// pure are packages of pure functions that use leaves.
	pure     = []string{"./internal/letter", "./internal/longcode", "./internal/openid", "./internal/passkey", "./internal/rule", "./internal/throttle"}
	surfaces = []string{"./internal/web", "./internal/api", "./internal/oidc", "./internal/proxyauth", "./internal/radius"}
)

// rule forbids imports, direct ones and those through other packages of ours.
// The function matches explains the patterns.
type rule struct {
	who    []string // packages that the rule applies to
	except []string // exceptions from who
	never  []string // forbidden imports
	only   []string // if set, the only allowed imports besides the standard library
	why    string
}

func rules() []rule {
	list := []rule{{
		who:  []string{"."},
		only: slices.Concat([]string{"github.com/google/uuid", "golang.org/x/text/...", "github.com/go-webauthn/webauthn/..."}, leaves, pure),
		why:  "the root package depends only on the standard library, the leaves and packages of pure functions, so that every package may import it",
	}, {
		who:   []string{"."},
		never: []string{"database/sql", "net/http"},
		why:   "the root package knows neither the database nor the web",
	}, {
		who:   leaves,
		never: []string{".", "./..."},
		why:   "a leaf depends on no other package, so that it can be read alone",
	}, {
		who:   pure,
		only:  append([]string{"golang.org/x/text/...", "github.com/google/uuid", "github.com/go-webauthn/webauthn/..."}, leaves...),
		never: []string{"net/http"},
		why:   "pure functions depend on nothing but what they are given",
	}, {
		who:    []string{".", "./..."},
		except: []string{"./cmd/...", "./sqlstore", "./sallyporttest", "./bench", "./bench/..."},
		never:  []string{"./sqlstore"},
		why:    "other packages know the database as sallyport.Store; only cmd chooses an implementation",
	}, {
		who:   surfaces,
		never: []string{"database/sql"},
		why:   "a surface calls the Service, never the database",
	}, {
		who:    []string{".", "./..."},
		except: []string{"./sallyporttest", "./sallyporttest/...", "./bench"},
		never:  []string{"./sallyporttest", "./sallyporttest/..."},
		why:    "sallyporttest is only for tests",
	}}
	for _, surface := range surfaces {
		others := slices.DeleteFunc(slices.Clone(surfaces), func(s string) bool { return s == surface })
		list = append(list, rule{who: []string{surface}, never: others, why: "surfaces share code only through the Service and internal/edge"})
	}
	return list
}

func TestImports(t *testing.T) {
	imports := ourImports(t)
	if len(imports) == 0 {
		t.Fatal("go list finds no package of ours")
	}
	for _, violation := range violations(imports, rules()) {
		t.Error(violation)
	}
}

// ourImports returns the imports of each of our packages, without those of
// tests.
func ourImports(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	list.Dir = root
	var errors bytes.Buffer
	list.Stderr = &errors
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &errors)
	}
	imports := map[string][]string{}
	for packages := json.NewDecoder(bytes.NewReader(out)); packages.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := packages.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if !ours(p.ImportPath) {
			continue
		}
		for i, path := range p.Imports {
			p.Imports[i] = short(path)
		}
		imports[short(p.ImportPath)] = p.Imports
	}
	return imports
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// short returns a path as the rules write it.
func short(path string) string {
	if ours(path) {
		return "." + strings.TrimPrefix(path, module)
	}
	return path
}

// violations lists each violation of a rule with the chain of imports.
func violations(imports map[string][]string, rules []rule) []string {
	var found []string
	for _, rule := range rules {
		for who := range imports {
			if !matches(who, rule.who) || matches(who, rule.except) {
				continue
			}
			if way := forbidden(imports, rule, who, []string{who}); way != nil {
				found = append(found, fmt.Sprintf("%s\n    %s", strings.Join(way, " imports "), rule.why))
			}
		}
	}
	slices.Sort(found)
	return found
}

// forbidden returns the chain of imports, if there is one, from the last
// package of way to an import that the rule forbids. It follows our own
// packages, except those that the rule excepts.
func forbidden(imports map[string][]string, rule rule, at string, way []string) []string {
	for _, path := range imports[at] {
		further := append(slices.Clone(way), path)
		if matches(path, rule.never) {
			return further
		}
		if rule.only != nil {
			if !standard(path) && !matches(path, rule.only) {
				return further
			}
			continue
		}
		if _, own := imports[path]; !own || slices.Contains(way, path) || matches(path, rule.except) {
			continue
		}
		if found := forbidden(imports, rule, path, further); found != nil {
			return found
		}
	}
	return nil
}

// standard reports whether path is in the standard library: its first part has
// no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// matches reports whether path equals a pattern, or is below a pattern that
// ends in /... (which does not match the path before the dots).
func matches(path string, patterns []string) bool {
	for _, pattern := range patterns {
		below, isTree := strings.CutSuffix(pattern, "/...")
		if path == pattern || isTree && strings.HasPrefix(path, below+"/") {
			return true
		}
	}
	return false
}

func TestImportsFindsViolations(t *testing.T) {
	for name, test := range map[string]struct {
		imports map[string][]string
		want    string // empty if there is no violation
	}{
		"the plan": {map[string][]string{
			".":                 {"time", "./internal/otp", "./internal/seal", "github.com/google/uuid", "golang.org/x/text/unicode/norm"},
			"./internal/otp":    {"crypto/hmac"},
			"./internal/letter": {"./internal/colour", "./internal/text"},
			"./internal/seal":   {"github.com/tink-crypto/tink-go/v2/aead"},
			"./internal/web":    {".", "net/http"},
			"./internal/api":    {".", "net/http"},
			"./sqlstore":        {".", "database/sql"},
			"./cmd/sallyport":   {".", "./sqlstore", "./internal/web", "./internal/api"},
			"./sallyporttest":   {"./sqlstore", "./internal/web"},
			"./bench":           {"./sqlstore"},
		}, ""},
		"a library in the root":        {map[string][]string{".": {"github.com/jackc/pgx/v5"}}, ". imports github.com/jackc/pgx/v5"},
		"a package that is not a leaf": {map[string][]string{".": {"./internal/mail"}}, ". imports ./internal/mail"},
		"SQL in the root":              {map[string][]string{".": {"database/sql"}}, ". imports database/sql"},
		"HTTP below the root":          {map[string][]string{".": {"./internal/otp"}, "./internal/otp": {"net/http"}}, ". imports ./internal/otp imports net/http"},
		"a leaf on a leaf":             {map[string][]string{"./internal/otp": {"./internal/text"}}, "./internal/otp imports ./internal/text"},
		"a leaf on the root":           {map[string][]string{"./internal/seal": {"."}}, "./internal/seal imports ."},
		"rules in the wording":         {map[string][]string{"./internal/letter": {"./internal/text", "."}}, "./internal/letter imports ."},
		"a surface in another":         {map[string][]string{"./internal/api": {"./internal/web"}}, "./internal/api imports ./internal/web"},
		"a surface behind another":     {map[string][]string{"./internal/oidc": {"./internal/edge"}, "./internal/edge": {"./internal/api"}}, "./internal/oidc imports ./internal/edge imports ./internal/api"},
		"SQL behind a surface":         {map[string][]string{"./internal/web": {"./internal/edge"}, "./internal/edge": {"database/sql"}}, "./internal/web imports ./internal/edge imports database/sql"},
		"the database in a surface":    {map[string][]string{"./internal/web": {"./sqlstore"}}, "./internal/web imports ./sqlstore"},
		"the database in the client":   {map[string][]string{"./client": {"./sqlstore"}}, "./client imports ./sqlstore"},
		"a package for tests":          {map[string][]string{"./cmd/sallyport": {"./sallyporttest"}}, "./cmd/sallyport imports ./sallyporttest"},
	} {
		t.Run(name, func(t *testing.T) {
			found := violations(test.imports, rules())
			if test.want == "" {
				if len(found) > 0 {
					t.Errorf("unexpected violations: %s", found)
				}
				return
			}
			if !slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, test.want+"\n") }) {
				t.Errorf("violations %q, want %s", found, test.want)
			}
		})
	}
}
