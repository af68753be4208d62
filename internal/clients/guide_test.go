package clients_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// npm is where scripts/prepare installs what the tests need from npm.
const npm = "../../build/npm/node_modules"

// guided returns a program of the guide as a subject.
func guided(name string, start func(t *testing.T, at setting)) subject {
	return subject{name: name, start: start, callback: "/callback", home: "/", stepUp: "/payroll", signOut: "/sign-out", after: "/signed-out"}
}

// TestGo: github.com/coreos/go-oidc with golang.org/x/oauth2.
func TestGo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/go").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	each(t, sallyporttest.Databases, guided("Go", func(t *testing.T, at setting) { run(t, at, "", program) }))
}

// TestNode: openid-client from npm.
func TestNode(t *testing.T) {
	each(t, sallyporttest.Databases, guided("Node", func(t *testing.T, at setting) { run(t, at, beside(t, "testdata/node/app.mjs"), "node", "app.mjs") }))
}

// TestGuide: the programs in the guide are those that the tests run.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guides/openid-connect.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, file := range map[string]string{"go": "go/main.go", "js": "node/app.mjs", "python": "python/app.py", "php": "php/index.php"} {
		program, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(guide), "\n```"+language+"\n"+string(program)+"```\n") {
			t.Errorf("the guide does not contain testdata/%s as it is", file)
		}
	}
}

// beside copies a program to a folder where node finds the installed modules, and returns the folder.
func beside(t *testing.T, program string) string {
	t.Helper()
	source, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs(npm)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(program)), source, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}
