//go:build clients

package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var sqlite = []string{"sqlite"}

// TestOtherLibraries: zitadel/oidc's rp, hashicorp/cap and markbates/goth, which are modules of their own.
func TestOtherLibraries(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "./...")
	build.Dir = "testdata/others"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"zitadel", "cap", "goth"} {
		t.Run(name, func(t *testing.T) {
			c := guided(name, func(t *testing.T, at setting) { run(t, at, "", filepath.Join(dir, name)) })
			c.noPKCE = name == "goth"
			each(t, sqlite, c)
		})
	}
}

// TestPython: Authlib with Flask, as Debian has them.
func TestPython(t *testing.T) {
	program, err := filepath.Abs("testdata/python/app.py")
	if err != nil {
		t.Fatal(err)
	}
	each(t, sqlite, guided("Python", func(t *testing.T, at setting) { run(t, at, t.TempDir(), "/usr/bin/python3", program) }))
}

// TestOAuth2Proxy requires a second factor in this session at each sign-in.
func TestOAuth2Proxy(t *testing.T) {
	program, err := filepath.Abs("../../build/clients/oauth2-proxy")
	if err != nil {
		t.Fatal(err)
	}
	wiki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s", r.Header.Get("X-Forwarded-Email"))
	}))
	defer wiki.Close()
	c := subject{name: "oauth2-proxy", callback: "/oauth2/callback", home: "/"}
	c.start = func(t *testing.T, at setting) {
		issuer, err := url.Parse(at.issuer)
		if err != nil {
			t.Fatal(err)
		}
		run(t, at, t.TempDir(), program, "--provider=oidc", "--oidc-issuer-url="+at.issuer, "--client-id="+at.id, "--client-secret="+at.secret,
			"--redirect-url="+at.address+"/oauth2/callback", "--http-address="+at.listen, "--upstream="+wiki.URL, "--email-domain=*",
			"--cookie-secret=0123456789abcdef0123456789abcdef", "--cookie-secure=false", "--skip-provider-button", "--code-challenge-method=S256",
			"--acr-values=aal2", "--whitelist-domain="+issuer.Host)
	}
	for _, database := range sqlite {
		s := sallyporttest.NewSite(t, sallyporttest.New(t, database))
		c.signOut = "/oauth2/sign_out?rd=" + url.QueryEscape(s.URL+"/oauth2/end-session")
		through(t, s, c)
	}
}

// TestApache: mod_auth_openidc, which sends no PKCE unless it is told to.
func TestApache(t *testing.T) {
	c := guided("Apache", func(t *testing.T, at setting) {
		config, err := filepath.Abs("testdata/apache.conf")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"index.shtml": `Hello, <!--#echo var="REMOTE_USER" -->`, "payroll": "Payroll", "signed-out": "Signed out"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, open := range []string{dir, filepath.Dir(dir)} { // the server runs as another user
			if err := os.Chmod(open, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("DIR", dir)
		t.Setenv("USER_NAME", "www-data")
		run(t, at, dir, "/usr/sbin/apache2", "-X", "-f", config)
	})
	c.noPKCE, c.signOut = true, "/callback?logout={address}%2Fsigned-out"
	each(t, sqlite, c)
}

// TestBrowserLibrary: oidc-client-ts in Chromium, a public client. All that it reads, it reads as a script of another
// origin.
func TestBrowserLibrary(t *testing.T) {
	s := sallyporttest.NewSite(t, sallyporttest.New(t, "sqlite"))
	ctx := context.Background()
	s.Clock.Set(time.Now().Add(-5 * time.Minute))
	s.Exec("UPDATE policies SET trusted_device_days = 30")
	ada := s.Add("ada@acme.example", sallyport.Member)
	s.Visitor().Enrol(&ada, "Phone")
	id := ""
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/settings":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": s.URL, "id": id})
		case "/oidc-client-ts.min.js":
			http.ServeFile(w, r, npm+"/oidc-client-ts/dist/browser/oidc-client-ts.min.js")
		case "/app.js":
			http.ServeFile(w, r, "testdata/browser.js")
		case "/favicon.ico":
		default:
			http.ServeFile(w, r, "testdata/browser.html")
		}
	}))
	defer app.Close()
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: "Script", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
	a.Client = sallyport.NewAppClient(app.URL + "/callback")
	a.Client.Public, a.Client.PostLogoutURIs = true, []string{app.URL + "/signed-out"}
	a, err := s.CreateApp(ctx, s.Console(), a)
	s.Check(err)
	id = a.ID
	code := func(b *sallyporttest.Browser, button string) {
		s.Clock.Advance(30 * time.Second)
		b.Fill("6-digit code", ada.Code(s.Clock.Now()))
		b.Click(button)
	}
	s.Clock.Set(time.Now().Add(-90 * time.Second).Truncate(time.Second))

	b := sallyporttest.NewBrowser(t, app.URL, sallyporttest.Look{})
	b.Open("/")
	b.Sees("Nobody")
	b.Click("Sign in")
	b.Fill("E-mail address", ada.Address)
	b.Fill("Password", ada.Password)
	b.Click("Sign in")
	b.Check("Do not ask again for 30 days")
	code(b, "Continue")
	b.Sees("Hello, " + ada.Address + ", aal2")
	b.Click("Again")
	b.Sees("Again: 400 invalid_grant")
	b.Click("Sign out")
	b.Click("Confirm")
	b.Sees("You are signed out")
	b.Click("Sign in")
	b.Fill("E-mail address", ada.Address)
	b.Fill("Password", ada.Password)
	b.Click("Sign in")
	b.Sees("Hello, " + ada.Address + ", aal1")
	b.Click("Payroll")
	code(b, "Continue")
	b.Sees("Hello, " + ada.Address + ", aal2")
	if !strings.HasPrefix(b.URL(), app.URL) {
		t.Errorf("the browser is at %s", b.URL())
	}
}
