//go:build clients

package proxyauth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/snippet"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// Caddy of Debian is too old, so make test-clients builds a newer one.
func init() {
	starters["caddy"] = func(b *behind, d snippet.Data) { startCaddy(b.t, b.configure("caddy", d), "bind "+b.address) }
}

// startCaddy starts Caddy with sites that have certificates of their own.
func startCaddy(t *testing.T, sites, listens string) {
	t.Helper()
	program, err := filepath.Abs("../../build/clients/caddy")
	if err != nil {
		t.Fatal(err)
	}
	dir := sallyporttest.ProxyFolder(t)
	path := filepath.Join(dir, "Caddyfile")
	conf := "{\n\tadmin off\n\tpersist_config off\n\tauto_https disable_redirects\n\tstorage file_system " + dir + "\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n"
	if err := os.WriteFile(path, []byte(conf+sites), 0o644); err != nil {
		t.Fatal(err)
	}
	sallyporttest.StartProxy(t, dir, strings.TrimSpace(listens), program, "run", "--adapter", "caddyfile", "--config", path)
}
