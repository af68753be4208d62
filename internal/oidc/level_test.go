package oidc_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const essential = `{"id_token":{"acr":{"essential":true,"value":"aal2"}}}`

// arrive follows redirects until the app gets a reply or a page is shown.
func arrive(v *Visitor) *Page {
	for range 10 {
		if v.Page.Location == "" || reply(v.Page) != nil {
			return v.Page
		}
		v.Get(v.Page.Location)
	}
	return v.Page
}

// stepUp gives a code on the page that asks for one, and follows from there.
func stepUp(s *Site, v *Visitor, p Person) *Page {
	f := v.Page.Form("code")
	f.Values.Set("code", p.Code(s.Clock.Now()))
	v.PostValues(f.Action, f.Values)
	return arrive(v)
}

func (c *client) redeem(p *Page) answer {
	c.T.Helper()
	code := reply(p).Get("code")
	if code == "" {
		c.T.Fatalf("no code: %d %s %s", p.Status, p.Location, p.Title())
	}
	return read(c.T, c.call("/oauth2/token", redeeming(code, nil)))
}

func TestI16_Levels(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		strict := register(s, "Payroll", func(a *sallyport.App) { a.Level, a.Fresh = sallyport.LevelTwoFactor, 10 })
		resistant := register(s, "Vault", func(a *sallyport.App) { a.Level = sallyport.LevelPhishingResistant })
		ada, ben := person(s, "ada"), person(s, "ben")
		v := s.Visitor()
		v.Enrol(&ada, "Phone")
		said := func(token string) (string, []any, int64) {
			id := claims(t, token)
			methods, _ := id["amr"].([]any)
			return id.text("acr"), methods, int64(id["auth_time"].(float64))
		}
		tokens := c.tokens(v, nil)
		acr, amr, first := said(tokens.text("id_token"))
		if acr != "aal2" || !slices.Contains(amr, any("otp")) || !slices.Contains(amr, any("mfa")) {
			t.Errorf("with an authenticator: %s %v", acr, amr)
		}
		s.Clock.Advance(20 * time.Minute)
		for name, test := range map[string]struct {
			of      *client
			changes map[string]string
		}{
			"the app's fresh": {strict, nil},
			"max_age":         {c, map[string]string{"max_age": "600"}},
			"max_age 0":       {c, map[string]string{"max_age": "0"}},
			"login":           {c, map[string]string{"prompt": "login"}},
		} {
			s.Clock.Advance(20 * time.Minute)
			none := map[string]string{"prompt": "none"}
			for k, value := range test.changes {
				if k != "prompt" {
					none[k] = value
				}
			}
			if got := reply(test.of.ask(v, none)); test.changes["prompt"] == "" && got.Get("error") != "login_required" {
				t.Errorf("%s with prompt=none: %v", name, got)
			}
			test.of.ask(v, test.changes)
			if p := arrive(v); reply(p) != nil || !strings.HasPrefix(p.Target, "/step-up?") {
				t.Fatalf("%s: no step-up: %s %s", name, p.Target, p.Location)
			}
			_, _, at := said(test.of.redeem(stepUp(s, v, ada)).text("id_token"))
			if at < s.Clock.Now().Unix() || at == first {
				t.Errorf("%s: auth_time has not moved: %d", name, at)
			}
		}
		if got := reply(c.ask(v, map[string]string{"max_age": "600"})); got.Get("code") == "" {
			t.Errorf("max_age is met: %v", got)
		}
		resistant.ask(v, nil)
		if p := arrive(v); reply(p) != nil || !strings.HasPrefix(p.Target, "/account/2fa/passkeys/new") {
			t.Errorf("a passkey is wanted: %s %d", p.Target, p.Status)
		}
		if got := reply(resistant.ask(v, map[string]string{"prompt": "none"})); got.Get("error") != "interaction_required" {
			t.Errorf("a passkey is wanted, with prompt=none: %v", got)
		}

		w := s.Visitor()
		w.SignIn(ben)
		if got := reply(c.ask(w, map[string]string{"claims": essential})); got.Get("error") != "unmet_authentication_requirements" {
			t.Errorf("essential without a second factor: %v", got)
		}
		tokens = c.tokens(w, map[string]string{"acr_values": "phr aal2"})
		if acr, _, _ := said(tokens.text("id_token")); acr != "aal1" {
			t.Errorf("voluntary, not reachable: %s", acr)
		}
		strict.ask(w, nil)
		if p := arrive(w); reply(p) != nil || !strings.HasPrefix(p.Target, "/account/2fa/set-up") {
			t.Errorf("two factors are wanted: %s", p.Target)
		}
		w.Enrol(&ben, "Phone")
		strict.ask(w, nil)
		if got := reply(arrive(w)); got.Get("code") == "" {
			t.Errorf("after setting up: %v", got)
		}
	})
}

// TestI16_TrustedDevice: a trusted device is no second factor in this session.
func TestI16_TrustedDevice(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		s.Exec("UPDATE policies SET trusted_device_days = 30")
		v.Enrol(&ada, "Phone")
		v.Post("/sign-out", nil)
		v.GivePassword(ada)
		v.Post("/sign-in/2fa", Fields{"code": ada.Code(s.Clock.Now()), "trust": "yes"})
		v.Post("/sign-out", nil)
		v.GivePassword(ada)
		if !v.SignedIn() {
			t.Fatal("the device is not trusted")
		}
		if id := claims(t, c.tokens(v, nil).text("id_token")); id.text("acr") != "aal1" {
			t.Errorf("on a trusted device: %v", id)
		}
		s.Clock.Advance(time.Minute)
		for name, changes := range map[string]map[string]string{"voluntary": {"acr_values": "aal2"}, "essential": {"claims": essential}} {
			w := v.Fork()
			c.ask(w, changes)
			if p := arrive(w); !strings.HasPrefix(p.Target, "/step-up") {
				t.Fatalf("%s: %s", name, p.Target)
			}
			if id := claims(t, c.redeem(stepUp(s, w, ada)).text("id_token")); id.text("acr") != "aal2" {
				t.Errorf("%s: after the step-up: %v", name, id)
			}
			s.Clock.Advance(time.Minute)
			break // the step-up has changed the session's secret
		}
	})
}

func TestI16_WhatThePolicyRequires(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		code := reply(c.ask(v, nil)).Get("code")
		tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		s.Exec("UPDATE policies SET require_2fa = 'everyone'")
		if p := c.call("/oauth2/token", redeeming(code, nil)); p.Status != 400 {
			t.Errorf("a code from before: %d %s", p.Status, p.Body)
		}
		if p := c.userinfo(tokens.text("access_token")); p.Status != 401 {
			t.Errorf("an access token from before: %d", p.Status)
		}
		if p := c.refresh(tokens.text("refresh_token"), ""); p.Status != 400 {
			t.Errorf("a refresh token from before: %d", p.Status)
		}
		if got := reply(c.ask(v, map[string]string{"prompt": "none"})); got.Get("error") != "interaction_required" {
			t.Errorf("with prompt=none: %v", got)
		}
		c.ask(v, nil)
		if p := arrive(v); !strings.HasPrefix(p.Target, "/account/2fa/set-up") {
			t.Errorf("it leads to %s", p.Target)
		}
	})
}

func TestPrompts(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada, ben := person(s, "ada"), person(s, "ben")
		v := s.Visitor()
		v.SignIn(ada)
		hint := c.tokens(v, nil).text("id_token")
		s.Clock.Advance(time.Hour) // it has expired, which does not matter

		c.ask(v, map[string]string{"prompt": "consent"})
		if p := arrive(v); !p.Has("Wiki") || !p.Has("Your e-mail address") {
			t.Fatalf("the page for consent is %s", p.Body)
		}
		f := v.Page.Form("request")
		f.Values.Set("answer", "no")
		if got := reply(v.Fork().PostValues(f.Action, f.Values)); got.Get("error") != "access_denied" {
			t.Errorf("no consent: %v", got)
		}
		c.ask(v, map[string]string{"prompt": "consent"})
		f = arrive(v).Form("request")
		f.Values.Set("answer", "yes")
		v.PostValues(f.Action, f.Values)
		if got := reply(arrive(v)); got.Get("code") == "" {
			t.Errorf("consent: %v %s", got, v.Page.Target)
		}

		c.ask(v, map[string]string{"prompt": "select_account"})
		if p := arrive(v); !p.Has(ada.Address) {
			t.Fatalf("the page for the account is %s", p.Body)
		}
		f = v.Page.Form("request")
		f.Values.Set("answer", "other")
		v.PostValues(f.Action, f.Values)
		if !strings.HasPrefix(v.Page.Location, "/sign-in?to=") {
			t.Fatalf("another account leads to %s", v.Page.Location)
		}
		f = v.Get(v.Page.Location).Form("email")
		f.Values.Set("email", ben.Address)
		f.Values.Set("password", ben.Password)
		v.PostValues(f.Action, f.Values)
		if id := claims(t, c.redeem(arrive(v)).text("id_token")); id["sub"] != ben.ID {
			t.Errorf("another account: %v", id)
		}
		if got := reply(c.ask(v, map[string]string{"prompt": "none", "id_token_hint": hint})); got.Get("error") != "login_required" {
			t.Errorf("a hint for somebody else, with prompt=none: %v", got)
		}
		subject := `{"id_token":{"sub":{"value":"` + ada.ID + `"}}}`
		for name, changes := range map[string]map[string]string{"a hint": {"id_token_hint": hint}, "a subject": {"claims": subject}} {
			w := s.Visitor()
			w.SignIn(ben)
			c.ask(w, changes)
			if p := arrive(w); reply(p) != nil || p.LocationPath() != "" || !p.Has(ben.Address) || !strings.HasPrefix(p.Target, "/sign-in?") {
				t.Fatalf("%s for somebody else leads to %s %s", name, p.Target, p.Location)
			}
			f := w.Page.Form("email")
			f.Values.Set("email", ada.Address)
			f.Values.Set("password", ada.Password)
			w.PostValues(f.Action, f.Values)
			if id := claims(t, c.redeem(arrive(w)).text("id_token")); id["sub"] != ada.ID {
				t.Errorf("%s for somebody else: %v", name, id)
			}
			s.Clock.Advance(time.Minute)
		}
		if p := v.Get("/sign-in?as=other&to=%2Faccount"); p.Location == "" {
			t.Errorf("without an app, somebody who is signed in gets the page to sign in: %d", p.Status)
		}
		c.ask(v, map[string]string{"prompt": "login"})
		if p := arrive(v); !strings.HasPrefix(p.Target, "/step-up") {
			t.Fatalf("login without a second factor leads to %s", p.Target)
		}
		f = v.Page.Form("password")
		f.Values.Set("password", ben.Password)
		s.Clock.Advance(time.Second)
		v.PostValues(f.Action, f.Values)
		if id := claims(t, c.redeem(arrive(v)).text("id_token")); int64(id["auth_time"].(float64)) != s.Clock.Now().Unix() {
			t.Errorf("login without a second factor: %v at %d", id, s.Clock.Now().Unix())
		}
	})
}

func TestWhoMayNot(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		s.Exec("INSERT INTO groups (workspace_id, id, name, name_folded, created_at) VALUES ($1, 'grp_1', 'Staff', 'staff', 1)", s.Owner.Workspace)
		c := register(s, "Payroll", func(a *sallyport.App) { a.Access, a.Groups = sallyport.AccessGroups, []string{"grp_1"} })
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		refused := func() int {
			return len(s.Query("SELECT id FROM events WHERE kind = 'app.refused' AND app = '" + c.ID + "'"))
		}
		if got := reply(c.ask(v, map[string]string{"prompt": "none"})); got.Get("error") != "access_denied" || refused() != 1 {
			t.Errorf("at once: %v, %d events", got, refused())
		}
		c.ask(v, nil)
		p := arrive(v)
		if p.Status != http.StatusForbidden || !p.Has("Payroll") || !p.Has("administrator") || refused() != 2 {
			t.Errorf("the page: %d %s, %d events", p.Status, p.Body, refused())
		}
		if !slices.ContainsFunc(p.Links(), func(to string) bool { return strings.HasPrefix(to, callback+"?error=access_denied") }) {
			t.Errorf("no link back: %v", p.Links())
		}
		join(s, ada, "grp_1")
		tokens := c.tokens(v, nil)
		if groups, _ := claims(t, tokens.text("id_token"))["groups"].([]any); len(groups) != 1 || groups[0] != "Staff" {
			t.Errorf("groups are %v", groups)
		}
		offline := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		s.Exec("DELETE FROM memberships")
		if p := c.userinfo(tokens.text("access_token")); p.Status != 401 {
			t.Errorf("userinfo after leaving the group: %d", p.Status)
		}
		if p := c.refresh(offline.text("refresh_token"), ""); p.Status != 400 || read(t, p).text("error") != "invalid_grant" {
			t.Errorf("refresh after leaving the group: %d %s", p.Status, p.Body)
		}
		s.Check(s.DisableApp(context.Background(), s.Console(), c.ID))
		if p := c.ask(v, nil); p.Status != http.StatusNotFound || p.Location != "" {
			t.Errorf("a disabled app: %d %s", p.Status, p.Location)
		}
	})
}

// TestI61_RequestsBelongToTheirBrowser: a request that waits goes on only in the browser in which it began.
func TestI61_RequestsBelongToTheirBrowser(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		thief := s.Visitor()
		c.ask(thief, nil)
		waiting := thief.Page.Location
		v := s.Visitor()
		v.SignIn(ada)
		if p := v.Get(waiting); p.Status != http.StatusGone || p.Location != "" {
			t.Errorf("in another browser: %d %s", p.Status, p.Location)
		}
		post := sallyporttest.Request{Method: "POST", Target: "/oauth2/authorize", Body: c.asking(nil).Encode(), Header: http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://wiki.example.com"}, "Sec-Fetch-Site": {"cross-site"}, "Cookie": {"x=y"},
		}}
		p := v.Send(post)
		if p.Status != http.StatusSeeOther || !strings.HasPrefix(p.Location, "/apps/continue?request=") {
			t.Fatalf("posted from another site: %d %s", p.Status, p.Location)
		}
		waiting = p.Location
		if got := reply(v.Get(waiting)); got.Get("code") == "" {
			t.Errorf("posted, then opened: %d %s", v.Page.Status, v.Page.Location)
		}
		if p := v.Get(waiting); p.Status != http.StatusGone {
			t.Errorf("a second time: %d %s", p.Status, p.Location)
		}
		waiting = thief.Send(post).Location
		thief.Get(waiting) // it is the thief's browser from now on
		if p := v.Get(waiting); p.Status != http.StatusGone {
			t.Errorf("opened elsewhere first: %d %s", p.Status, p.Location)
		}
		late := s.Visitor()
		c.ask(late, nil)
		waiting = late.Page.Location
		for range sallyport.MaxAppRequests {
			s.Clock.Advance(time.Millisecond)
			c.ask(late, nil)
		}
		late.SignIn(ada)
		if p := late.Get(waiting); p.Status != http.StatusGone {
			t.Errorf("the eleventh request has not replaced the first: %d", p.Status)
		}
		c.ask(s.Visitor(), nil)
		late = s.Visitor()
		c.ask(late, nil)
		waiting = late.Page.Location
		s.Clock.Advance(sallyport.AppRequestLimit)
		s.Clock.Advance(time.Minute)
		late.SignIn(ada)
		if p := late.Get(waiting); p.Status != http.StatusGone {
			t.Errorf("after 15 minutes: %d", p.Status)
		}
	})
}
