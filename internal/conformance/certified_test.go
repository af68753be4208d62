//go:build clients

package conformance_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// npm is where scripts/prepare installs what the tests need from npm.
const npm = "../../build/npm/node_modules"

// TestCertified runs the suite against a certified provider, npm's oidc-provider, which tests the suite.
func TestCertified(t *testing.T) {
	messages := newInbox(t)
	main := Client{ID: "main", Secret: strings.Repeat("m", 40), Algorithm: "RS256"}
	posting := Client{ID: "posting", Secret: strings.Repeat("p", 40), Algorithm: "ES256", Post: true}
	strict := Client{ID: "strict", Secret: strings.Repeat("s", 40), Algorithm: "EdDSA", Challenge: true}
	clients := []map[string]any{}
	for _, c := range []Client{main, posting, strict} {
		one := map[string]any{
			"client_id": c.ID, "client_secret": c.Secret, "redirect_uris": []string{redirectURI, queryURI}, "post_logout_redirect_uris": []string{postLogoutURI},
			"grant_types": []string{"authorization_code", "refresh_token"}, "id_token_signed_response_alg": c.Algorithm, "token_endpoint_auth_method": "client_secret_basic",
		}
		if c.Post {
			one["token_endpoint_auth_method"] = "client_secret_post"
		}
		if c.ID == "main" {
			one["backchannel_logout_uri"], one["backchannel_logout_session_required"] = messages.URL, true
		}
		clients = append(clients, one)
	}
	p := &Provider{
		Issuer: start(t, clients), Main: main, Posting: posting, Strict: strict, Messages: messages,
		Now: time.Now, Wait: time.Sleep, Deliver: func() {}, Fill: fillCertified, Differs: differs,
	}
	p.test(t)
}

// start starts the provider, and returns its issuer.
func start(t *testing.T, clients any) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	settings, err := json.Marshal(map[string]any{"port": port, "clients": clients})
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("testdata/provider.mjs")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs(npm)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // node looks for modules beside the program
	if err := os.WriteFile(dir+"/provider.mjs", program, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, dir+"/node_modules"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "provider.mjs")
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), "SETTINGS="+string(settings)), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	issuer := fmt.Sprintf("http://127.0.0.1:%d", port)
	for range 100 {
		if res, err := http.Get(issuer + "/.well-known/openid-configuration"); err == nil {
			res.Body.Close()
			return issuer
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the provider does not start")
	return ""
}

// fillCertified does what a person does on the provider's own pages for development.
func fillCertified(at *page) (*form, bool) {
	for _, f := range at.forms {
		if _, ok := f.fields["login"]; ok {
			f.values.Set("login", "ada")
			f.values.Set("password", "secret")
			f.proof = true
			return f, true
		}
		if f.values.Get("prompt") == "consent" || f.values.Get("logout") == "yes" {
			return f, true
		}
	}
	return nil, false
}

// differs are the modules that this provider does not pass, see docs/decisions/0032-conformance.md.
var differs = map[string]string{}
