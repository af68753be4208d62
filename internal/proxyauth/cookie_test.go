package proxyauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// follow takes the browser on from an address of the workspace, until it leads elsewhere or to a page.
func (b *browser) follow(address string) *sallyporttest.Page {
	b.t.Helper()
	page := b.visitor.Get(strings.TrimPrefix(address, b.URL))
	for strings.HasPrefix(page.Location, "/") {
		page = b.visitor.Get(page.Location)
	}
	return page
}

// TestI31_CookieIsNotPromoted: what a person proves at the workspace is worth nothing to who has a copy of the cookie that the
// browser has at an app. The browser itself gets a new one, and is asked for nothing.
func TestI31_CookieIsNotPromoted(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, func(a *sallyport.App) { a.Proxy.Rules = []string{"/admin = two_factor fresh:5", "/open = public"} })
		p := w.enrolled("ada@acme.example")
		b, thief := w.browser("forward-auth"), w.browser("forward-auth")
		b.signIn("/docs", p)
		thief.cookie = b.cookie
		e.Clock.Advance(10 * time.Minute)
		if page := b.visitor.Post("/step-up?to=/account", sallyporttest.Fields{"code": p.Code(e.Clock.Now())}); page.Status != 303 {
			t.Fatalf("the step-up: %d %s", page.Status, page.Alert())
		}
		if got := thief.ask("POST", "/admin", nil); got.Status != 401 {
			t.Errorf("a copy of the cookie after a step-up at the workspace: %d", got.Status)
		}
		if got := thief.ask("GET", "/docs", nil); got.Status != 200 {
			t.Errorf("what the cookie was good for: %d", got.Status)
		}
		b.signIn("/admin", p)
		if status, _ := b.page("/admin"); status != 200 {
			t.Errorf("the browser itself: %d", status)
		}
		if status, _ := thief.page("/docs"); status != 302 {
			t.Errorf("a copy of the cookie, after the browser got a new one: %d", status)
		}
	})
}

// TestI24_CookieAfterChangeOfPassword: a new password also ends copies of the cookies that the same browser has at apps.
func TestI24_CookieAfterChangeOfPassword(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b, thief := w.browser("forward-auth"), w.browser("forward-auth")
		b.signIn("/docs", p)
		thief.cookie = b.cookie
		const password = "another long password of hers"
		page := b.visitor.Post("/account/password", sallyporttest.Fields{"current_password": p.Password, "new_password": password})
		if page.Status != 303 {
			t.Fatalf("the password: %d %s", page.Status, page.Alert())
		}
		if status, _ := thief.page("/docs"); status != 302 {
			t.Errorf("a copy of the cookie after the password was changed: %d", status)
		}
		b.signIn("/docs", p)
	})
}

// TestTabsAtOnce: tabs that began with the same cookie all arrive, also if one is redeemed before the cookie of the other is there.
func TestTabsAtOnce(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		first := w.browser("forward-auth")
		one := first.enter("/one", p)
		second := w.browser("forward-auth")
		second.visitor, second.cookie = first.visitor, first.cookie
		two := second.enter("/two", p)
		e.Clock.Advance(time.Second)
		if status, _ := first.page(one); status != 302 {
			t.Fatalf("the first tab: %d", status)
		}
		if status, location := second.page(two); status != 302 || location != wiki+"/two" {
			t.Errorf("the second tab, before it has the new cookie: %d %s", status, location)
		}
		second.cookie = first.cookie
		if status, _ := second.page("/two"); status != 200 {
			t.Errorf("the second tab, with it: %d", status)
		}
	})
}

// TestI08_TicketRace: of many requests with one ticket, to two nodes, one gets a cookie.
func TestI08_TicketRace(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		callback := b.enter("/docs", p)
		nodes := []*sallyporttest.Site{w.Site, w.Node()}
		var wait sync.WaitGroup
		got := make([]*sallyporttest.Page, 8)
		for i := range got {
			r := families["forward-auth"]("GET", wiki, callback)
			r.Header.Set("Cookie", b.cookie.Name+"="+b.cookie.Value)
			v := w.Visitor().Through(nodes[i%2])
			wait.Go(func() { got[i] = v.Send(r) })
		}
		wait.Wait()
		signedIn := 0
		for _, page := range got {
			if len(page.Cookies) > 0 {
				signedIn++
			} else if page.Status != 403 {
				t.Errorf("a ticket that was used: %d", page.Status)
			}
		}
		if signedIn != 1 {
			t.Errorf("one ticket signs in %d times", signedIn)
		}
	})
}

// TestScriptOpensSignIn: a script that opens the address in the answer to it gets a browser in, which had no cookie before.
func TestScriptOpensSignIn(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		b.signIn("/docs", p)
		b.cookie = nil
		var answer struct {
			SignIn string `json:"sign_in"`
		}
		got := b.ask("GET", "/api", http.Header{"Accept": {"application/json"}})
		e.Check(json.Unmarshal([]byte(got.Body), &answer))
		page := b.follow(answer.SignIn)
		if status, location := b.page(strings.TrimPrefix(page.Location, wiki)); status != 302 || location != wiki+"/api" {
			t.Errorf("the ticket leads to %d %s", status, location)
		}
	})
}

// TestI33_AppsKeepNoAdminAwake: an app that asks for news by itself keeps a session, but not the pages for administrators.
func TestI33_AppsKeepNoAdminAwake(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := e.Add("ada@acme.example", sallyport.Admin)
		w.Enrol(&p, "Phone")
		b := w.browser("forward-auth")
		b.signIn("/docs", &p)
		for range 14 {
			e.Clock.Advance(time.Hour - time.Minute)
			if got := b.ask("GET", "/api", nil); got.Status != 200 {
				t.Fatalf("the app asks: %d", got.Status)
			}
		}
		if page := b.follow("/admin/users"); !strings.HasPrefix(page.Target, "/step-up?") {
			t.Errorf("an hour without a page: %d %s", page.Status, page.Target)
		}
	})
}

// TestI46_FormsLeadToApps: a page on the way to an app lets its form lead there, and an address that somebody made up nowhere else.
func TestI46_FormsLeadToApps(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		b := w.browser("forward-auth")
		for origin, want := range map[string]string{wiki: "form-action 'self' " + wiki + ";", "https://evil.example.com": "form-action 'self';", wiki + ":8443": "form-action 'self';"} {
			enter := "/apps/enter?" + url.Values{"for": {base64.RawURLEncoding.EncodeToString([]byte(origin + "/docs"))}, "browser": {"x"}}.Encode()
			page := b.visitor.Get("/sign-in?" + url.Values{"to": {enter}}.Encode())
			if csp := page.Header.Get("Content-Security-Policy"); page.Status != 200 || !strings.Contains(csp, want) {
				t.Errorf("%s: %d %s", origin, page.Status, csp)
			}
		}
	})
}

// TestI63_TicketFromTheFuture: a ticket that was issued before the clock was set back is worth nothing, and is not kept until its
// time comes.
func TestI63_TicketFromTheFuture(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		w := newWorld(t, e, nil)
		p := w.enrolled("ada@acme.example")
		b := w.browser("forward-auth")
		e.Clock.Advance(24 * time.Hour)
		callback, kept := b.enter("/docs", p), b.enter("/docs", p)
		e.Clock.Advance(-24 * time.Hour)
		if status, _ := b.page(callback); status != 403 {
			t.Errorf("a ticket from the future: %d", status)
		}
		e.Check(e.Sweep(context.Background()))
		e.Clock.Advance(24 * time.Hour)
		if left := e.Query(`SELECT id FROM tickets`); len(left) > 0 {
			t.Errorf("%d tickets wait for their time", len(left))
		}
		if status, _ := b.page(kept); status != 403 {
			t.Errorf("when its time has come: %d", status)
		}
	})
}
