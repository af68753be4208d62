package proxyauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestI13_I14_WhatProxiesSend: each address reads its own headers, needs all of them, once each, and no others.
func TestI13_I14_WhatProxiesSend(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) { a.Proxy.Rules = []string{"/open = public"} })
		v := w.Visitor()
		type headers = map[string][]string
		with := func(family string, change headers) sallyporttest.Request {
			r := families[family]("GET", wiki, "/open/x")
			for name, values := range change {
				if values == nil {
					delete(r.Header, name)
					continue
				}
				r.Header[name] = values
			}
			return r
		}
		forged := headers{"Remote-User": {"root"}, "Sallyport-Assertion": {"x"}, "X-Original-Uri": {"/open"}, "X_Forwarded_Host": {"evil.example.com"}}
		for name, test := range map[string]struct {
			family string
			change headers
			want   int
		}{
			"forward-auth":                   {"forward-auth", nil, 200},
			"auth-request":                   {"auth-request", nil, 200},
			"ext-authz":                      {"ext-authz", nil, 200},
			"forged, forward-auth":           {"forward-auth", forged, 200},
			"forged, auth-request":           {"auth-request", forged, 200},
			"forged, ext-authz":              {"ext-authz", forged, 200},
			"another family, forward-auth":   {"forward-auth", headers{"X-Original-Url": {"https://evil.example.com/"}}, 200},
			"another family, auth-request":   {"auth-request", headers{"X-Forwarded-Uri": {"/secret"}, "X-Forwarded-Host": {"evil.example.com"}}, 200},
			"another family, ext-authz":      {"ext-authz", headers{"X-Original-Url": {wiki + "/secret"}, "X-Forwarded-Uri": {"/secret"}}, 200},
			"no method":                      {"forward-auth", headers{"X-Forwarded-Method": nil}, 400},
			"no scheme":                      {"forward-auth", headers{"X-Forwarded-Proto": nil}, 400},
			"no host":                        {"forward-auth", headers{"X-Forwarded-Host": nil}, 400},
			"no address":                     {"forward-auth", headers{"X-Forwarded-Uri": nil}, 400},
			"two hosts":                      {"forward-auth", headers{"X-Forwarded-Host": {"wiki.example.com", "wiki.example.com"}}, 400},
			"two hosts in one":               {"forward-auth", headers{"X-Forwarded-Host": {"wiki.example.com, evil.example.com"}}, 400},
			"a host with a path":             {"forward-auth", headers{"X-Forwarded-Host": {"wiki.example.com/"}}, 400},
			"a host with a name":             {"forward-auth", headers{"X-Forwarded-Host": {"a@wiki.example.com"}}, 400},
			"an address without a slash":     {"forward-auth", headers{"X-Forwarded-Uri": {"open"}}, 400},
			"a broken address":               {"forward-auth", headers{"X-Forwarded-Uri": {"/open/%zz"}}, 400},
			"a broken query":                 {"forward-auth", headers{"X-Forwarded-Uri": {"/open?%zz"}}, 200},
			"a strange scheme":               {"forward-auth", headers{"X-Forwarded-Proto": {"ftp"}}, 400},
			"plain http":                     {"forward-auth", headers{"X-Forwarded-Proto": {"http"}}, 400},
			"a WebSocket":                    {"forward-auth", headers{"X-Forwarded-Proto": {"wss"}}, 200},
			"a strange method":               {"forward-auth", headers{"X-Forwarded-Method": {"GET, POST"}}, 400},
			"capitals and the default port":  {"forward-auth", headers{"X-Forwarded-Host": {"WIKI.example.com:443"}}, 200},
			"another port":                   {"forward-auth", headers{"X-Forwarded-Host": {"wiki.example.com:8443"}}, 403},
			"another host":                   {"forward-auth", headers{"X-Forwarded-Host": {"evil.example.com"}}, 403},
			"no method, auth-request":        {"auth-request", headers{"X-Original-Method": nil}, 400},
			"no address, auth-request":       {"auth-request", headers{"X-Original-Url": nil}, 400},
			"two addresses, auth-request":    {"auth-request", headers{"X-Original-Url": {wiki + "/open", wiki + "/open"}}, 400},
			"only a path, auth-request":      {"auth-request", headers{"X-Original-Url": {"/open"}}, 400},
			"no path, auth-request":          {"auth-request", headers{"X-Original-Url": {wiki}}, 400},
			"a name in it, auth-request":     {"auth-request", headers{"X-Original-Url": {"https://wiki.example.com@evil.example.com/open"}}, 400},
			"another host, auth-request":     {"auth-request", headers{"X-Original-Url": {"https://evil.example.com/open"}}, 403},
			"no scheme, ext-authz":           {"ext-authz", headers{"X-Forwarded-Proto": nil}, 400},
			"two schemes, ext-authz":         {"ext-authz", headers{"X-Forwarded-Proto": {"https", "https"}}, 400},
			"clients that cannot be read":    {"auth-request", headers{"X-Forwarded-For": {"nobody"}}, 400},
			"two lists of clients":           {"auth-request", headers{"X-Forwarded-For": {"192.0.2.1", "192.0.2.2"}}, 400},
			"a token that is not one (body)": {"auth-request", headers{"Authorization": {"Bearer of.the.app"}}, 200},
		} {
			got := v.Send(with(test.family, test.change))
			if got.Status != test.want {
				t.Errorf("%s: %d, want %d: %s", name, got.Status, test.want, got.Body)
			}
			if strings.Contains(got.Body, "not_a_proxy") {
				t.Errorf("%s: a trusted proxy is told that it is none", name)
			}
			for _, header := range identity {
				values := got.Header[header]
				if got.Status == 200 && (len(values) != 1 || values[0] != "") || got.Status != 200 && len(values) != 0 {
					t.Errorf("%s: %d with %s %q", name, got.Status, header, values)
				}
			}
		}
		for _, path := range []string{"/api/authz/", "/api/authz/other", "/api/authz/forward-auth/x", "/api/authz/auth-requests"} {
			if got := v.Send(sallyporttest.Request{Method: "GET", Target: path, Header: http.Header{}}); got.Status != 403 {
				t.Errorf("%s: %d", path, got.Status)
			}
		}
	})
}

func TestRulesOfAnApp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) {
			a.Level = sallyport.LevelTwoFactor
			a.Proxy.Rules = []string{"/open GET,HEAD = public", "/admin = two_factor fresh:5", "/closed = deny", "/plain = policy", "/finance = groups:Finance", "/api OPTIONS = public"}
		})
		p := w.enrolled("ada@acme.example")
		for _, family := range []string{"forward-auth", "auth-request", "ext-authz"} {
			b := w.browser(family)
			for target, want := range map[string]int{
				"/open": 200, "/open/a?b": 200, "/openness": 302, "/closed": 403, "/closed/x": 403, "/docs": 302, "/open/../closed": 403,
				"/open%2fclosed": 400, "/open//closed": 400, "/open/%2e%2e/closed": 400, "/open;/closed": 400, "/open/\\closed": 400,
			} {
				if family == "ext-authz" && strings.Contains(target, "\\") {
					continue // no client sends this in a path
				}
				if status, _ := b.page(target); status != want {
					t.Errorf("%s, signed out: %s: %d, want %d", family, target, status, want)
				}
			}
			if got := b.ask("POST", "/open", nil); got.Status != 401 {
				t.Errorf("POST /open: %d", got.Status)
			}
			if got := b.ask("OPTIONS", "/api/x", http.Header{"Origin": {"https://other.example.com"}}); got.Status != 200 {
				t.Errorf("a preflight: %d", got.Status)
			}
			b.signIn("/docs", p)
			for target, want := range map[string]int{"/docs": 200, "/admin": 200, "/closed": 403, "/plain": 200, "/finance": 403} {
				if status, _ := b.page(target); status != want {
					t.Errorf("%s, signed in: %s: %d, want %d", family, target, status, want)
				}
			}
			e.Clock.Advance(6 * time.Minute)
			w.stepUp(b, p)
			e.Clock.Advance(time.Minute)
		}
	})
}

// stepUp opens an address that needs a fresher proof than the browser has given.
func (w *world) stepUp(b *browser, p *sallyporttest.Person) {
	w.t.Helper()
	if got := b.ask("POST", "/admin", nil); got.Status != 401 || got.Header.Get("WWW-Authenticate") !=
		`Bearer error="insufficient_user_authentication", acr_values="aal2", max_age=300` {
		w.t.Errorf("a script: %d %s", got.Status, got.Header.Get("WWW-Authenticate"))
	}
	status, location := b.page("/admin?a=b")
	page := b.visitor.Get(strings.TrimPrefix(location, w.URL))
	for strings.HasPrefix(page.Location, "/") {
		page = b.visitor.Get(page.Location)
	}
	if status != 302 || !strings.HasPrefix(page.Target, "/step-up?") {
		w.t.Fatalf("%d, the browser is asked for nothing: %d %s", status, page.Status, page.Target)
	}
	page = b.visitor.Post(page.Target, sallyporttest.Fields{"code": p.Code(w.Clock.Now())})
	for strings.HasPrefix(page.Location, "/") {
		page = b.visitor.Get(page.Location)
	}
	if status, location := b.page(strings.TrimPrefix(page.Location, wiki)); status != 302 || location != wiki+"/admin?a=b" {
		w.t.Errorf("after the step-up: %d %s", status, location)
	}
	if status, _ := b.page("/admin"); status != 200 {
		w.t.Errorf("after the step-up /admin is %d", status)
	}
}

// TestI61_TicketsOfOthers: a ticket works once, for the browser that asked for it, and not after a minute.
func TestI61_TicketsOfOthers(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		mine, thief := w.browser("forward-auth"), w.browser("forward-auth")
		callback := mine.enter("/docs", p)
		thief.page("/docs")
		if status, location := thief.page(callback); status != 302 || location != wiki+"/docs" {
			t.Errorf("a ticket in another browser: %d %s", status, location)
		}
		if status, _ := thief.page("/docs"); status != 302 {
			t.Errorf("a ticket signs another browser in: %d", status)
		}
		if status, _ := mine.page(callback); status != 403 {
			t.Errorf("a ticket works twice: %d", status)
		}
		callback = mine.enter("/docs", p)
		e.Clock.Advance(61 * time.Second)
		if status, _ := mine.page(callback); status != 403 {
			t.Errorf("a ticket works after a minute: %d", status)
		}
		callback = mine.enter("/docs", p)
		pending := mine.cookie
		mine.cookie = nil
		if got := mine.ask("GET", callback, asPage); got.Status != 403 || !strings.Contains(got.Body, "cookie") {
			t.Errorf("without a cookie: %d %s", got.Status, got.Body)
		}
		mine.cookie = pending
		if status, _ := mine.page(callback); status != 302 {
			t.Errorf("a callback without a cookie uses the ticket up: %d", status)
		}
		other, err := e.CreateApp(context.Background(), e.Console(), sallyport.App{
			AppDetails: sallyport.AppDetails{Name: "Other", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}, Proxy: sallyport.AppProxy{Hosts: []string{"https://other.example.com"}},
		})
		e.Check(err)
		cookie := mine.cookie
		mine.origin = other.Proxy.Hosts[0]
		if status, _ := mine.page("/docs"); status != 302 {
			t.Errorf("the cookie of one app opens another: %d (I06)", status)
		}
		mine.cookie = cookie
		if status, _ := mine.page(callback); status != 403 {
			t.Errorf("the ticket of one app works at another: %d", status)
		}
	})
}

// TestTwoTabs: of two tabs that begin at once, both arrive.
func TestTwoTabs(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		first, second := w.browser("auth-request"), w.browser("auth-request")
		second.visitor = first.visitor
		one := first.enter("/one", p)
		two := second.enter("/two", p)
		// The browser kept the cookie of the tab that was answered last.
		first.cookie = second.cookie
		if status, location := first.page(one); status != 302 || location != wiki+"/one" {
			t.Fatalf("the first tab: %d %s", status, location)
		}
		first.signIn("/one", p)
		second.cookie = first.cookie
		if status, location := second.page(two); status != 302 || location != wiki+"/two" {
			t.Fatalf("the second tab: %d %s", status, location)
		}
		if status, _ := second.page("/two"); status != 200 {
			t.Errorf("the second tab ends at %d", status)
		}
	})
}

// TestCookieIsLost: if the proxy drops the cookie of the callback, the person gets a page, not a loop.
func TestCookieIsLost(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b := w.browser("auth-request")
		callback := b.enter("/docs", p)
		kept := b.cookie
		b.page(callback)
		b.cookie = kept
		again := b.enter("/docs", p)
		if got := b.ask("GET", again, asPage); got.Status != 403 || !strings.Contains(got.Body, "does not keep the cookie") {
			t.Errorf("the second time: %d %s", got.Status, got.Body)
		}
	})
}

// TestRefusedAtTheProxy: a person who may not use an app is told so, and the audit log says it once in a while.
func TestI67_RefusedAtTheProxy(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		b.signIn("/docs", p)
		e.Exec(`UPDATE apps SET access = 'groups'`)
		for range 3 {
			if got := b.ask("GET", "/docs", asPage); got.Status != 403 || !strings.Contains(got.Body, "Wiki") || len(got.Header["Remote-User"]) > 0 {
				t.Errorf("refused: %d %s", got.Status, got.Body)
			}
		}
		if n := e.Query(`SELECT app, subject FROM events WHERE kind = 'app.refused' AND result = 'refused'`); len(n) != 1 || n[0][0] != w.app.ID || n[0][1] != p.ID {
			t.Errorf("the audit log has %v", n)
		}
		ctx := context.Background()
		finance, err := e.CreateGroup(ctx, e.Console(), "Finance")
		e.Check(err)
		e.Check(e.ChangeApp(ctx, e.Console(), w.app.ID, func(a *sallyport.App) { a.Groups = []string{finance.ID} }))
		e.Check(e.JoinGroup(ctx, e.Console(), finance.ID, p.ID))
		if got := b.ask("GET", "/docs", asPage); got.Status != 200 || got.Header.Get("Remote-Groups") != "Finance" {
			t.Errorf("in the group: %d %s", got.Status, got.Header.Get("Remote-Groups"))
		}
		unknown := w.browser("forward-auth")
		unknown.origin = "https://unknown.example.com"
		e.Check(e.LeaveGroup(ctx, e.Console(), finance.ID, p.ID))
		refused, missing := b.ask("GET", "/docs", nil), unknown.ask("GET", "/docs", nil)
		if refused.Status != missing.Status || len(refused.Header) != len(missing.Header) {
			t.Errorf("a refusal is %d %v, an unknown app %d %v", refused.Status, refused.Header, missing.Status, missing.Header)
		}
	})
}

// TestI57_EndedOnAnotherNode: whatever ends a session, an app or a role in it on one node applies on the other to the next request.
func TestI57_EndedOnAnotherNode(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		ctx := context.Background()
		node := w.Node()
		for name, end := range map[string]func(p *sallyporttest.Person, b *browser) error{
			"signed out":       func(_ *sallyporttest.Person, b *browser) error { b.visitor.Post("/sign-out", nil); return nil },
			"app disabled":     func(*sallyporttest.Person, *browser) error { return e.DisableApp(ctx, e.Console(), w.app.ID) },
			"person suspended": func(p *sallyporttest.Person, _ *browser) error { return e.Suspend(ctx, e.Console(), p.ID) },
			"reset": func(p *sallyporttest.Person, _ *browser) error {
				_, err := e.ResetTwoFactor(ctx, e.Console(), p.ID, "lost")
				return err
			},
		} {
			p := w.enrolled(strings.ReplaceAll(name, " ", ".") + "@acme.example")
			b := w.browser("forward-auth")
			b.signIn("/docs", p)
			b.proxy.Through(node)
			if status, _ := b.page("/docs"); status != 200 {
				t.Fatalf("on the other node: %d", status)
			}
			e.Check(end(p, b))
			if status, _ := b.page("/docs"); status == 200 {
				t.Errorf("%s: the other node still lets the browser through", name)
			}
			if err := e.EnableApp(ctx, e.Console(), w.app.ID); err != nil && !errors.Is(err, sallyport.ErrNotFound) {
				t.Error(err)
			}
			if status, _ := b.page("/docs"); status == 200 {
				t.Errorf("%s: it was undone", name)
			}
			e.Clock.Advance(time.Minute)
		}
	})
}

// TestI18_OwesTwoFactor: a person who must set up two-factor authentication first gets to no app.
func TestI18_OwesTwoFactor(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := e.Add("ben@acme.example", sallyport.Member)
		b := w.browser("forward-auth")
		b.signIn("/docs", &p)
		if status, _ := b.page("/docs"); status != 200 {
			t.Fatalf("without a requirement: %d", status)
		}
		e.Exec(`UPDATE policies SET require_2fa = 'everyone'`)
		status, location := b.page("/docs")
		page := b.visitor.Get(strings.TrimPrefix(location, w.URL))
		for strings.HasPrefix(page.Location, "/") {
			page = b.visitor.Get(page.Location)
		}
		if status != 302 || !strings.HasPrefix(page.Target, "/account/2fa/set-up") {
			t.Errorf("with a requirement: %d, to %s", status, page.Target)
		}
		if got := b.ask("POST", "/docs", nil); got.Status != 403 || !strings.Contains(got.Body, "set_up_required") {
			t.Errorf("a script: %d %s", got.Status, got.Body)
		}
	})
}

func TestSignOutFromAnApp(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		b := w.browser("auth-request")
		if status, location := b.page("/.sallyport/sign-out"); status != 302 || location != w.URL+"/sign-out" {
			t.Errorf("%d %s", status, location)
		}
		for _, target := range []string{"/.sallyport", "/.sallyport/", "/.sallyport/x", "/.sallyport/sign-out/x", "/x/../.sallyport/callback", "/%2esallyport/callback"} {
			if status, _ := b.page(target); status != 403 && status != 400 {
				t.Errorf("%s: %d", target, status)
			}
		}
		if got := b.ask("POST", "/.sallyport/sign-out", nil); got.Status != 403 {
			t.Errorf("POST: %d", got.Status)
		}
	})
}

func TestAccessTokens(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) {
			a.Proxy.Tokens = true
			a.Proxy.Rules = []string{"/admin = two_factor", "/fresh = policy fresh:5"}
		})
		ctx := context.Background()
		p := e.Add("ada@acme.example", sallyport.Member)
		client := w.Enrol(&p, "Phone")
		token, err := e.CreateToken(ctx, client.By(), "Backup", w.app.ID, e.Clock.Now().AddDate(0, 1, 0))
		e.Check(err)
		b := w.browser("auth-request")
		bearer := http.Header{"Authorization": {"Bearer " + token.Reveal()}}
		basic := func(user string) http.Header {
			r := &http.Request{Header: http.Header{}}
			r.SetBasicAuth(user, token.Reveal())
			return r.Header
		}
		check := func(name, method, target string, header http.Header, want int) {
			t.Helper()
			got := b.ask(method, target, header)
			if got.Status != want || want == 200 && got.Header.Get("Remote-User") != p.Address {
				t.Errorf("%s: %d %s, want %d", name, got.Status, got.Body, want)
			}
		}
		check("bearer", "POST", "/docs", bearer, 200)
		check("basic", "GET", "/docs", basic("Ada@ACME.example"), 200)
		check("basic, another address", "GET", "/docs", basic("ben@acme.example"), 401)
		check("two factors", "GET", "/admin", bearer, 403)
		check("fresh", "GET", "/fresh", bearer, 403)
		check("altered", "GET", "/docs", http.Header{"Authorization": {"Bearer " + token.Reveal()[:20] + "A" + token.Reveal()[21:]}}, 401)
		check("nonsense", "GET", "/docs", http.Header{"Authorization": {"Bearer spt_x"}}, 401)
		check("lower case", "GET", "/docs", http.Header{"Authorization": {"bearer " + token.Reveal()}}, 200)
		b.signIn("/docs", &p)
		check("beside a good cookie", "GET", "/docs", http.Header{"Authorization": {"Bearer spt_x"}}, 401)
		check("the app's own", "GET", "/docs", http.Header{"Authorization": {"Bearer eyJ.x.y"}}, 200)
		own, err := e.OwnTokens(ctx, client.By())
		e.Check(err)
		all := own.Tokens
		if len(all) != 1 || all[0].Name != "Backup" || all[0].AppName != "Wiki" || all[0].LastUsedAt.IsZero() {
			t.Errorf("the person's tokens: %+v", all)
		}
		e.Exec(`UPDATE apps SET tokens = 0`)
		check("the app allows none", "GET", "/docs", bearer, 401)
		e.Exec(`UPDATE apps SET tokens = 1`)
		e.Check(e.RevokeToken(ctx, client.By(), all[0].ID))
		check("revoked", "GET", "/docs", bearer, 401)
	})
}

// TestI11_FaultsDeny: without a database nobody passes.
func TestI11_FaultsDeny(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) { a.Proxy.Rules = []string{"/open = public"} })
		broken := *e.Service
		broken.Store = failing{}
		node := w.Over(&broken)
		for family := range families {
			b := w.browser(family)
			b.proxy.Through(node)
			if got := b.ask("GET", "/open", nil); got.Status != 403 || strings.Contains(got.Body, "secret detail") {
				t.Errorf("%s: %d %s", family, got.Status, got.Body)
			}
		}
	})
}

type failing struct{}

var errBroken = errors.New("secret detail")

func (failing) Read(context.Context, func(sallyport.Tx) error) error  { return errBroken }
func (failing) Write(context.Context, func(sallyport.Tx) error) error { return errBroken }
