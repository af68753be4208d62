package proxyauth_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// families describe a request in the way of each kind of proxy.
var families = map[string]func(method, origin, target string) sallyporttest.Request{
	"forward-auth": func(method, origin, target string) sallyporttest.Request {
		scheme, host, _ := strings.Cut(origin, "://")
		return sallyporttest.Request{Method: "GET", Target: "/api/authz/forward-auth", Host: host, Header: http.Header{
			"X-Forwarded-Method": {method}, "X-Forwarded-Proto": {scheme}, "X-Forwarded-Host": {host}, "X-Forwarded-Uri": {target},
		}}
	},
	"auth-request": func(method, origin, target string) sallyporttest.Request {
		return sallyporttest.Request{Method: "GET", Target: "/api/authz/auth-request", Host: "sallyport.internal", Header: http.Header{
			"X-Original-Method": {method}, "X-Original-Url": {origin + target},
		}}
	},
	"ext-authz": func(method, origin, target string) sallyporttest.Request {
		scheme, host, _ := strings.Cut(origin, "://")
		return sallyporttest.Request{Method: method, Target: "/api/authz/ext-authz" + target, Host: host, Header: http.Header{"X-Forwarded-Proto": {scheme}}}
	},
}

const wiki = "https://wiki.example.com"

// world is a site with an app behind a proxy.
type world struct {
	*sallyporttest.Site
	t   *testing.T
	app sallyport.App
}

func newWorld(t *testing.T, e *sallyporttest.Env, change func(*sallyport.App)) *world {
	t.Helper()
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: "Wiki", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
	a.Proxy.Hosts = []string{wiki}
	if change != nil {
		change(&a)
	}
	a, err := e.CreateApp(context.Background(), e.Console(), a)
	e.Check(err)
	return &world{sallyporttest.NewSite(t, e), t, a}
}

// browser is a browser at an app: the proxy in front of the app asks about its requests.
type browser struct {
	*world
	family  string
	origin  string
	visitor *sallyporttest.Visitor // at the workspace
	proxy   *sallyporttest.Visitor
	cookie  *http.Cookie // that it has on the app's host
}

func (w *world) browser(family string) *browser {
	return &browser{world: w, family: family, origin: wiki, visitor: w.Visitor(), proxy: w.Visitor()}
}

// ask asks about a request of the browser.
func (b *browser) ask(method, target string, header http.Header) *sallyporttest.Page {
	b.t.Helper()
	r := families[b.family](method, b.origin, target)
	r.Header.Set("Cookie", "of=the-app") // otherwise the visitor sends the cookies that it keeps
	if b.cookie != nil {
		r.Header.Set("Cookie", b.cookie.Name+"="+b.cookie.Value)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	p := b.proxy.Send(r)
	if len(p.Header["Set-Cookie"]) > 1 {
		b.t.Errorf("%s %s sets %d cookies", method, target, len(p.Cookies))
	}
	for _, c := range p.Cookies {
		b.cookie = c
	}
	if p.Status == 200 && len(p.Cookies) > 0 {
		b.t.Errorf("%s %s: 200 sets a cookie", method, target)
	}
	return p
}

var asPage = http.Header{"Accept": {"text/html,*/*"}}

// page asks about opening a page, and returns the status and where the browser is sent.
func (b *browser) page(target string) (status int, location string) {
	b.t.Helper()
	p := b.ask("GET", target, asPage)
	if b.family == "auth-request" && p.Header.Get("Location") != "" {
		if p.Status != 401 {
			b.t.Errorf("GET %s: a redirect has status %d", target, p.Status)
		}
		return 302, p.Header.Get("Location")
	}
	return p.Status, p.Header.Get("Location")
}

// enter takes the browser from a page of the app to the workspace, and back with a ticket.
func (b *browser) enter(target string, p *sallyporttest.Person) (callback string) {
	b.t.Helper()
	status, location := b.page(target)
	in, ok := strings.CutPrefix(location, b.URL)
	if status != 302 || !ok || !strings.HasPrefix(in, "/sign-in?to=") {
		b.t.Fatalf("%s: %d to %q", target, status, location)
	}
	page := b.visitor.Get(in)
	if page.Location == "" {
		page = b.visitor.PostValues(in, url.Values{"email": {p.Address}, "password": {p.Password}})
		if page.LocationPath() == "/sign-in/2fa" {
			page = b.visitor.Post(page.Location, sallyporttest.Fields{"code": p.Code(b.Clock.Now())})
		}
	}
	for strings.HasPrefix(page.Location, "/") {
		page = b.visitor.Get(page.Location)
	}
	callback, ok = strings.CutPrefix(page.Location, b.origin)
	if !ok {
		b.t.Fatalf("the workspace sends the browser to %q: %d %s", page.Location, page.Status, page.Alert())
	}
	return callback
}

// signIn opens a page of the app as a person who is not signed in to it.
func (b *browser) signIn(target string, p *sallyporttest.Person) {
	b.t.Helper()
	if status, location := b.page(b.enter(target, p)); status != 302 || location != b.origin+target {
		b.t.Fatalf("the ticket leads to %d %s, not to %s", status, location, target)
	}
}

// enrolled adds a person with an authenticator app.
func (w *world) enrolled(address string) *sallyporttest.Person {
	p := w.Add(address, sallyport.Member)
	w.Enrol(&p, "Phone")
	return &p
}

var identity = []string{"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups", "Sallyport-Assertion"}

func TestSignInThroughProxy(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		for family := range families {
			t.Run(family, func(t *testing.T) {
				w := &world{w.Site, t, w.app}
				p := w.enrolled(family + "@acme.example")
				b := w.browser(family)
				b.signIn("/docs?x=1&y=%2F", p)
				first := b.cookie.Value
				got := b.ask("GET", "/docs", nil)
				if got.Status != 200 || got.Header.Get("Remote-User") != p.Address || got.Header.Get("Remote-Name") != p.Name || got.Header.Get("Remote-Email") != p.Address {
					t.Errorf("signed in: %d %v", got.Status, got.Header)
				}
				for _, name := range identity {
					if len(got.Header[name]) != 1 {
						t.Errorf("200 has %d lines of %s (I13)", len(got.Header[name]), name)
					}
				}
				w.checkAssertion(got.Header.Get("Sallyport-Assertion"), wiki, p)
				if c := b.cookie; c.Name != "__Host-sallyport_app" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
					t.Errorf("the cookie is %v", c)
				}
				if again, _ := b.page("/docs"); again != 200 || b.cookie.Value != first {
					t.Errorf("a request changes the cookie, or is answered with %d", again)
				}
				b.visitor.Post("/sign-out", nil)
				if status, location := b.page("/docs"); status != 302 || !strings.HasPrefix(location, w.URL+"/sign-in?") {
					t.Errorf("signed out: %d %s", status, location)
				}
				if got := b.ask("POST", "/docs", nil); got.Status != 401 || got.Header.Get("Location") != "" || !strings.Contains(got.Body, `"sign_in":"`+w.URL+"/sign-in?") {
					t.Errorf("signed out, a script: %d %s", got.Status, got.Body)
				}
				e.Clock.Advance(time.Minute)
			})
		}
	})
}

// checkAssertion verifies an assertion as an app would.
func (w *world) checkAssertion(token, audience string, p *sallyporttest.Person) {
	w.t.Helper()
	set := w.Visitor().Get("/.well-known/jwks.json")
	keys, err := jose.ParseSet([]byte(set.Body))
	w.Check(err)
	raw, err := jose.Verify(token, keys, jose.ES256)
	if err != nil {
		w.t.Fatalf("the assertion: %v", err)
	}
	var claims struct {
		Iss, Aud, Sub, Email, Acr, Sid string
		Amr, Groups                    []string
		Exp, Iat                       int64
	}
	w.Check(json.Unmarshal(raw.Claims, &claims))
	if claims.Iss != w.URL || claims.Aud != audience || claims.Sub != p.ID || claims.Email != p.Address || claims.Acr != "aal2" ||
		strings.Join(claims.Amr, " ") != "pwd otp mfa" || claims.Exp-claims.Iat != 60 || claims.Sid == "" {
		w.t.Errorf("the assertion says %s", raw.Claims)
	}
}
