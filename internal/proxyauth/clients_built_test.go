//go:build clients

package proxyauth_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/snippet"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// make test-clients builds these, because Debian's Caddy is too old and Debian has no Traefik.
func init() {
	starters["caddy"] = func(b *behind, d snippet.Data) {
		global := "{\n\tadmin off\n\tpersist_config off\n\tauto_https disable_redirects\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n"
		path := filepath.Join(b.dir, "Caddyfile")
		text := b.configure("caddy", d)
		b.Check(os.WriteFile(path, []byte(global+text), 0o644))
		startBuilt(b, "caddy", "run", "--adapter", "caddyfile", "--config", path)
	}
	starters["traefik itself"] = func(b *behind, d snippet.Data) {
		b.configure("traefik", d)
		startBuilt(b, "traefik", "--entrypoints.websecure.address="+b.address, "--global.checknewversion=false",
			"--providers.file.filename="+filepath.Join(b.dir, "sallyport-traefik.yaml"))
		b.untilConfigured()
	}
}

// untilConfigured waits until the proxy knows the app's host. Traefik listens before it has read its configuration, and answers 404.
func (b *behind) untilConfigured() {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", b.address)
		b.Check(err)
		if strings.HasPrefix(b.origin, "https:") {
			conn = tls.Client(conn, &tls.Config{RootCAs: b.roots, ServerName: appHost})
		}
		_, _ = fmt.Fprintf(conn, "GET /.sallyport/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", b.host())
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		_ = conn.Close()
		if err == nil && res.StatusCode != http.StatusNotFound {
			return
		}
	}
	b.t.Fatal("the proxy does not read its configuration")
}

// startBuilt starts a program that make test-clients has built.
func startBuilt(b *behind, name string, args ...string) {
	b.t.Helper()
	program, err := filepath.Abs("../../build/clients/" + name)
	b.Check(err)
	sallyporttest.StartProxy(b.t, sallyporttest.ProxyFolder(b.t), "bind "+b.address, program, args...)
}
