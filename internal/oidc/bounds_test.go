package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func count(s *Site, what string) int {
	n, _ := strconv.Atoi(s.Query("SELECT count(*) FROM " + what)[0][0])
	return n
}

// TestI66_WhatAnAppAndItsPeopleWrite: what people, apps and strangers can add is bounded.
func TestI66_WhatAnAppAndItsPeopleWrite(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		public := register(s, "Phone", func(a *sallyport.App) { a.Client.Public = true })
		v := s.Visitor()
		v.SignIn(person(s, "ada"))
		for range sallyport.MaxOpened + 5 {
			s.Clock.Advance(time.Second)
			c.tokens(v, nil)
		}
		if n := count(s, "events WHERE kind = 'app.opened'"); n != sallyport.MaxOpened {
			t.Errorf("%d openings were recorded, want %d", n, sallyport.MaxOpened)
		}
		s.Clock.Advance(sallyport.OpenedWindow)
		if c.tokens(v, nil); count(s, "events WHERE kind = 'app.opened'") != sallyport.MaxOpened+1 {
			t.Error("later, openings are still not recorded")
		}

		s.Clock.Advance(time.Second)
		refresh := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		for range sallyport.MaxAccessTokens + 3 {
			s.Clock.Advance(time.Second)
			refresh = read(t, c.refresh(refresh.text("refresh_token"), ""))
		}
		if n := count(s, "access_tokens WHERE grant_id = (SELECT id FROM grants ORDER BY id DESC LIMIT 1)"); n != sallyport.MaxAccessTokens {
			t.Errorf("a grant has %d access tokens", n)
		}

		post := sallyporttest.Request{Method: "POST", Target: "/oauth2/authorize", Body: c.asking(map[string]string{"prompt": "consent"}).Encode(), Header: http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"https://wiki.example.com"}, "Sec-Fetch-Site": {"cross-site"}, "Cookie": {"x=y"}}}
		for range sallyport.MaxAppRequests + 3 {
			s.Clock.Advance(time.Second)
			if p := v.Get(v.Send(post).Location); p.Status != http.StatusOK {
				t.Fatalf("a posted request: %d", p.Status)
			}
		}
		if n := count(s, "app_requests"); n != sallyport.MaxAppRequests {
			t.Errorf("one browser has %d requests that wait", n)
		}

		s.Exec("UPDATE tries SET count = 3000 WHERE bucket = 'app requests'")
		for name, path := range map[string]string{"PAR": "/oauth2/par", "a device": "/oauth2/device_authorization"} {
			if p := public.call(path, public.asking(nil)); p.Status != http.StatusTooManyRequests || p.Header.Get("Retry-After") == "" || read(t, p).text("error") == "" {
				t.Errorf("%s from a network that has asked too often: %d %s", name, p.Status, p.Body)
			}
		}
		pushed := c.asking(nil)
		pushed.Del("client_id")
		if p := c.call("/oauth2/par", pushed); p.Status != http.StatusCreated {
			t.Errorf("PAR of an app that proves which it is: %d %s", p.Status, p.Body)
		}
		s.Exec("UPDATE tries SET count = 30000 WHERE bucket = 'pushed'")
		if p := c.call("/oauth2/par", pushed); p.Status != http.StatusTooManyRequests {
			t.Errorf("PAR of an app that asks too often: %d %s", p.Status, p.Body)
		}
		if p := c.ask(s.Visitor(), nil); p.Status != http.StatusTooManyRequests {
			t.Errorf("a stranger from a network that has asked too often: %d", p.Status)
		}
	})
}

// TestRefreshTokensInTheirFamily: an earlier refresh token ends the family, however many came after it, and a number at its end
// that is not its own makes it worthless.
func TestRefreshTokensInTheirFamily(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		v := s.Visitor()
		v.SignIn(person(s, "ada"))
		var all []string
		begin := func(rotations int) {
			all = []string{c.tokens(v, map[string]string{"scope": "openid offline_access"}).text("refresh_token")}
			for range rotations {
				s.Clock.Advance(2 * time.Minute)
				all = append(all, read(t, c.refresh(all[len(all)-1], "")).text("refresh_token"))
			}
		}
		for rotations := 1; rotations <= 4; rotations++ {
			for old := range rotations {
				begin(rotations)
				s.Clock.Advance(2 * time.Minute)
				last := all[rotations]
				bare, _, _ := strings.Cut(last, ".")
				for _, forged := range []string{bare, bare + ".1000000000", bare + ".0", bare + ".-1", bare + ".01", bare + "." + strconv.Itoa(old), last + ".1", last + "0"} {
					if p := c.refresh(forged, ""); p.Status != 400 || read(t, p).text("error") != "invalid_grant" {
						t.Errorf("%q: %d %s", forged, p.Status, p.Body)
					}
				}
				if a := read(t, c.call("/oauth2/introspect", url.Values{"token": {last}})); a["active"] != true {
					t.Fatal("a forged token has ended the family")
				}
				c.refresh(all[old], "")
				if p := c.refresh(last, ""); p.Status != 400 {
					t.Errorf("token %d of %d was used, and the last one still works: %d", old, rotations, p.Status)
				}
			}
		}
		if n := count(s, "events WHERE kind = 'app.refresh_reused'"); n != 10 {
			t.Errorf("%d events", n)
		}
	})
}

// TestHowLongRefreshTokensLast: 30 days without use, 180 at most, and no longer than the epochs of the person and of the app.
func TestHowLongRefreshTokensLast(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		begin := func() string {
			s.Clock.Advance(time.Minute)
			v.SignIn(ada)
			return c.tokens(v, map[string]string{"scope": "openid offline_access"}).text("refresh_token")
		}
		token := begin()
		for day := 29; day < 180; day += 29 {
			s.Clock.Advance(29 * 24 * time.Hour)
			p := c.refresh(token, "")
			if p.Status != 200 {
				t.Fatalf("on day %d: %d %s", day, p.Status, p.Body)
			}
			token = read(t, p).text("refresh_token")
		}
		s.Clock.Advance(5*24*time.Hour + 23*time.Hour)
		p := c.refresh(token, "")
		if p.Status != 200 {
			t.Fatalf("just before 180 days: %d %s", p.Status, p.Body)
		}
		token = read(t, p).text("refresh_token")
		s.Clock.Advance(time.Hour)
		if p := c.refresh(token, ""); p.Status != 400 {
			t.Errorf("after 180 days: %d", p.Status)
		}
		token = begin()
		s.Clock.Advance(sallyport.RefreshIdleLimit - time.Second)
		p = c.refresh(token, "")
		if p.Status != 200 {
			t.Fatalf("just before 30 days: %d", p.Status)
		}
		token = read(t, p).text("refresh_token")
		s.Clock.Advance(sallyport.RefreshIdleLimit)
		s.Check(s.Sweep(context.Background()))
		if p := c.refresh(token, ""); p.Status != 400 {
			t.Errorf("after 30 days: %d", p.Status)
		}
		s.Clock.Advance(time.Minute)
		s.Check(s.Sweep(context.Background()))
		if n := count(s, "grants"); n != 0 {
			t.Errorf("%d grants are left", n)
		}
	})
}

// TestDisconnected: what an app was issued by OpenID Connect ends for good, and nothing else.
func TestDisconnected(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", func(a *sallyport.App) { a.Proxy.Hosts = []string{"https://wiki.example.com"} })
		v, owner := s.Visitor(), s.Visitor()
		v.SignIn(person(s, "ada"))
		code := reply(c.ask(v, nil)).Get("code")
		tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		owner.Enrol(&s.Owner, "Owner's")
		page := "/admin/apps/" + c.ID + "/openid"
		if p := owner.Get(page + "/disconnect"); p.Status != 200 || !p.Has("Wiki") || !p.Has("end for good") {
			t.Fatalf("the page that asks: %d %s", p.Status, p.Text())
		}
		before := owner.Get(page).Form("redirect_uris")
		if p := owner.Post(page+"/disconnect", nil); p.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", p.Status, p.Alert())
		}
		if p := owner.Follow(); !p.Has("does not use OpenID Connect") {
			t.Errorf("afterwards: %s", p.Text())
		}
		if p := owner.Get(page + "/disconnect"); p.Status != http.StatusNotFound {
			t.Errorf("a second time: %d", p.Status)
		}
		if p := c.ask(v, nil); p.Status != http.StatusNotFound || p.Location != "" {
			t.Errorf("authorize: %d %s", p.Status, p.Location)
		}
		if p := c.userinfo(tokens.text("access_token")); p.Status != 401 {
			t.Errorf("userinfo: %d", p.Status)
		}
		if n := count(s, "app_secrets"); n != 0 {
			t.Errorf("%d secrets", n)
		}
		owner.PostValues(page, before.Values)
		c.secret = c.addSecret()
		if p := c.userinfo(tokens.text("access_token")); p.Status != 401 {
			t.Errorf("userinfo after it was connected again: %d", p.Status)
		}
		if p := c.refresh(tokens.text("refresh_token"), ""); p.Status != 400 {
			t.Errorf("refresh after it was connected again: %d %s", p.Status, p.Body)
		}
		if p := c.call("/oauth2/token", redeeming(code, nil)); p.Status != 400 || read(t, p).text("error") != "invalid_grant" {
			t.Errorf("a code after it was connected again: %d %s", p.Status, p.Body)
		}
		if p := c.userinfo(c.tokens(v, nil).text("access_token")); p.Status != 200 {
			t.Errorf("new tokens: %d", p.Status)
		}
		row := s.Query("SELECT epoch, client_epoch FROM apps")[0]
		if row[0] != "1" || row[1] != "1" || count(s, "app_hosts") != 1 {
			t.Errorf("what a proxy gave ends as well: epochs %v", row)
		}
	})
}

// TestUpdatedAt: it moves with the name and the address, and with nothing else.
func TestUpdatedAt(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		created := s.Clock.Now().Unix()
		v := s.Visitor()
		s.Clock.Advance(time.Hour)
		v.Enrol(&ada, "Phone")
		at := func() int64 {
			return int64(read(t, c.userinfo(c.tokens(v, nil).text("access_token")))["updated_at"].(float64))
		}
		if got := at(); got != created {
			t.Errorf("at first: %d, want %d", got, created)
		}
		v.Post("/account", Fields{"name": "Ada Lovelace"})
		if got := at(); got != s.Clock.Now().Unix() {
			t.Errorf("a new name: %d, want %d", got, s.Clock.Now().Unix())
		}
		renamed := s.Clock.Now().Unix()
		s.Clock.Advance(time.Minute)
		v.Post("/account", Fields{"name": "Ada Lovelace"})
		if got := at(); got != renamed {
			t.Errorf("the same name: %d, want %d", got, renamed)
		}
	})
}

// TestNothingOfEndedSessionsStays: neither the apps of sessions that have expired, nor messages that were given up.
func TestNothingOfEndedSessionsStays(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ctx := context.Background()
		c := register(s, "Wiki", func(a *sallyport.App) { a.Client.BackchannelLogoutURI = "http://127.0.0.1:1/logout" })
		ada := person(s, "ada")
		v, w := s.Visitor(), s.Visitor()
		v.SignIn(ada)
		c.tokens(v, nil)
		w.SignIn(ada)
		c.tokens(w, nil)
		w.Post("/sign-out", nil)
		for range 2 {
			if n, err := background.DeliverLogouts(ctx, s.Service); n != 1 || err != nil {
				t.Fatalf("%d messages, %v", n, err)
			}
			s.Clock.Advance(25 * time.Hour)
		}
		if n := count(s, "logouts"); n != 0 || count(s, "events WHERE kind = 'app.logout_failed'") != 1 {
			t.Errorf("%d messages that were given up", n)
		}
		s.Check(s.SweepIdle(ctx))
		if n := count(s, "session_apps"); n != 1 {
			t.Errorf("%d apps of a session that lasts", n)
		}
		s.Clock.Advance(sallyport.SessionLimit)
		s.Check(s.SweepIdle(ctx))
		if n := count(s, "session_apps"); n != 0 {
			t.Errorf("%d apps of a session that has expired", n)
		}
	})
}
