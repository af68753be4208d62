package oidc_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/oidc"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// damages are what can be wrong with one parameter, whatever it means.
var damages = map[string]func(f url.Values, name string){
	"missing":                  func(f url.Values, name string) { f.Del(name) },
	"twice":                    func(f url.Values, name string) { f[name] = []string{f.Get(name), f.Get(name)} },
	"twice, one of them empty": func(f url.Values, name string) { f[name] = []string{f.Get(name), ""} },
	"64 KiB":                   func(f url.Values, name string) { f.Set(name, strings.Repeat("a", 64<<10)) },
	"5 KiB":                    func(f url.Values, name string) { f.Set(name, strings.Repeat("a", 5<<10)) },
	"not UTF-8":                func(f url.Values, name string) { f.Set(name, f.Get(name)+"\xff\xfe") },
	"with NUL":                 func(f url.Values, name string) { f.Set(name, f.Get(name)+"\x00") },
}

// issued counts everything that apps and browsers were issued.
func issued(s *Site) int {
	return count(s, "grants") + count(s, "access_tokens") + count(s, "device_codes") + count(s, "app_requests")
}

// refused fails the test unless an answer for a program is the standard's own error, and says what to do.
func refused(t *testing.T, name string, p *Page, errors ...string) {
	t.Helper()
	if p.Status == http.StatusRequestHeaderFieldsTooLarge || p.Status == http.StatusRequestURITooLong {
		return
	}
	a := read(t, p)
	for _, want := range errors {
		if a.text("error") == want && len(a.text("error_description")) > 15 && p.Status >= 400 && p.Status < 500 && a["access_token"] == nil && p.Header.Get("Cache-Control") == "no-store" {
			return
		}
	}
	t.Errorf("%s: %d %s, want %v", name, p.Status, p.Body, errors)
}

// TestI11_BadParametersOfAuthorization: whatever is wrong with one parameter, no code is issued. The app is told only at its own
// address, and the person gets a page otherwise.
func TestI11_BadParametersOfAuthorization(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		hint := c.tokens(v, nil).text("id_token")
		whole := c.asking(map[string]string{
			"response_mode": "query", "prompt": "none", "max_age": "3600", "acr_values": "aal1", "login_hint": ada.Address, "id_token_hint": hint,
			"claims": `{"userinfo":{"name":null}}`, "ui_locales": "en", "display": "page",
		})
		if got := reply(v.Get("/oauth2/authorize?" + whole.Encode())); got.Get("code") == "" {
			t.Fatalf("undamaged: %v", got)
		}
		// optional says which damages may be ignored, because the parameter is optional or long, or means nothing.
		optional := map[string]string{
			"scope": "missing", "state": "missing", "nonce": "missing", "response_mode": "missing", "prompt": "missing", "max_age": "missing", "acr_values": "missing",
			"login_hint": "missing", "id_token_hint": "missing", "claims": "missing", "ui_locales": "missing", "display": "missing",
		}
		for name := range whole {
			for damage, do := range damages {
				f := url.Values{}
				for n, value := range whole {
					f[n] = value
				}
				do(f, name)
				before := count(s, "grants")
				p := v.Get("/oauth2/authorize?" + f.Encode())
				got, made := reply(p), count(s, "grants")-before
				s.Exec("DELETE FROM app_requests")
				s.Exec("DELETE FROM tries WHERE bucket = 'app requests'")
				if optional[name] == damage {
					if got.Get("code") == "" || made != 1 {
						t.Errorf("%s %s: %d %v", name, damage, p.Status, got)
					}
					continue
				}
				if made != 0 || got.Has("code") || p.Status >= 500 || p.Status < 300 {
					t.Errorf("%s %s: %d %d grants, %v", name, damage, p.Status, made, got)
				}
				switch {
				case p.Location == "": // a page
				case got == nil:
					t.Errorf("%s %s: sent to %s", name, damage, p.Location)
				case got.Get("error") == "" || len(got.Get("error_description")) < 15 || got.Get("iss") != s.URL:
					t.Errorf("%s %s: the app gets %v", name, damage, got)
				}
			}
		}
	})
}

// TestI11_BadParametersOfPrograms does the same with the endpoints that apps call.
func TestI11_BadParametersOfPrograms(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		own := func(f url.Values) url.Values {
			f.Set("client_id", c.ID)
			f.Set("client_secret", c.secret)
			return f
		}
		code := reply(c.ask(v, nil)).Get("code")
		device := read(t, c.call("/oauth2/device_authorization", own(url.Values{})))
		for _, test := range []struct {
			name, path string
			whole      url.Values
			optional   []string
		}{
			{"PAR", "/oauth2/par", own(c.asking(nil)), []string{"scope", "state", "nonce"}},
			{"code", "/oauth2/token", own(redeeming(code, nil)), nil},
			{"refresh", "/oauth2/token", own(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}, "scope": {"openid"}}), []string{"scope"}},
			{"device", "/oauth2/token", own(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device.text("device_code")}}), nil},
			{"device authorization", "/oauth2/device_authorization", own(url.Values{"scope": {"openid"}}), []string{"scope"}},
			{"introspection", "/oauth2/introspect", own(url.Values{"token": {tokens.text("access_token")}, "token_type_hint": {"access_token"}}), []string{"token_type_hint"}},
			{"revocation", "/oauth2/revoke", own(url.Values{"token": {tokens.text("access_token")}, "token_type_hint": {"access_token"}}), []string{"token_type_hint"}},
		} {
			for name := range test.whole {
				for damage, do := range damages {
					optional := false
					for _, one := range test.optional {
						optional = optional || one == name
					}
					if damage == "missing" && optional || damage == "5 KiB" && (name == "token_type_hint" || name == "scope" || name == "token") {
						continue
					}
					f := url.Values{}
					for n, value := range test.whole {
						f[n] = value
					}
					do(f, name)
					before := issued(s)
					p := c.code.Send(sallyporttest.Request{Method: "POST", Target: test.path, Body: f.Encode(), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
					s.Exec("DELETE FROM tries")
					refused(t, test.name+": "+name+" "+damage, p, "invalid_request", "invalid_client", "invalid_grant", "unsupported_grant_type", "invalid_scope")
					if issued(s) != before {
						t.Errorf("%s: %s %s: something was issued", test.name, name, damage)
					}
				}
			}
		}
		if p := c.call("/oauth2/token", redeeming(code, nil)); p.Status != 200 {
			t.Errorf("after all that, the code does not work: %d %s", p.Status, p.Body)
		}
		if p := c.refresh(tokens.text("refresh_token"), ""); p.Status != 200 {
			t.Errorf("after all that, the refresh token does not work: %d %s", p.Status, p.Body)
		}
		if p := c.userinfo(tokens.text("access_token")); p.Status != 200 {
			t.Errorf("after all that, the access token does not work: %d %s", p.Status, p.Body)
		}
	})
}

// TestI11_WrongMethodsAndTypes: each endpoint takes its own methods, and forms alone.
func TestI11_WrongMethodsAndTypes(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		v := s.Visitor()
		v.SignIn(person(s, "ada"))
		tokens := c.tokens(v, nil)
		takes := map[string]string{}
		for _, r := range oidc.Routes() {
			takes[r.Path] += r.Method + " "
		}
		before := issued(s)
		for path, methods := range takes {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"} {
				if strings.Contains(methods, method+" ") || method == "HEAD" && strings.Contains(methods, "GET ") {
					continue
				}
				p := v.Send(sallyporttest.Request{Method: method, Target: path, Header: http.Header{"Origin": {s.URL}, "Sec-Fetch-Site": {"same-origin"}}})
				if p.Status != http.StatusMethodNotAllowed || p.Header.Get("Allow") == "" {
					t.Errorf("%s %s: %d, allows %q", method, path, p.Status, p.Header.Get("Allow"))
				}
			}
			if !strings.Contains(methods, "POST ") {
				continue
			}
			f := redeeming(reply(c.ask(v, nil)).Get("code"), map[string]string{"client_id": c.ID, "client_secret": c.secret, "access_token": tokens.text("access_token"), "token": tokens.text("access_token")})
			before++
			for _, kind := range []string{"", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16", "application/x-www-form-urlencoded/x"} {
				h := http.Header{"Content-Type": {kind}}
				if kind == "" {
					h = http.Header{}
				}
				p := c.code.Send(sallyporttest.Request{Method: "POST", Target: path, Header: h, Body: f.Encode()})
				if p.Status < 400 || p.Status >= 500 || p.Location != "" || strings.Contains(p.Body, "access_token") {
					t.Errorf("%s with type %q: %d %s %s", path, kind, p.Status, p.Location, p.Body)
				}
			}
		}
		if issued(s) != before {
			t.Error("something was issued")
		}
	})
}

// TestI06_WhatBelongsToOthers: a code, token or request of another app, another workspace or an ended session is worth nothing.
func TestI06_WhatBelongsToOthers(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c, other := register(s, "Wiki", nil), register(s, "Other", nil)
		v := s.Visitor()
		v.SignIn(person(s, "ada"))
		tokens := c.tokens(v, map[string]string{"scope": "openid offline_access"})
		code := reply(c.ask(v, nil)).Get("code")
		device := read(t, c.call("/oauth2/device_authorization", url.Values{}))
		s.Clock.Advance(6 * time.Second)
		use := func(c *client, form url.Values) *Page { return c.call("/oauth2/token", form) }
		device1 := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device.text("device_code")}}
		for name, form := range map[string]url.Values{
			"code": redeeming(code, nil), "refresh": {"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}}, "device": device1,
		} {
			refused(t, "another app's "+name, use(other, form), "invalid_grant")
		}
		// The same ids in another workspace: tokens name users and rows, and the workspace comes from the host.
		s.Clock.Advance(time.Second)
		host := "globex." + strings.TrimPrefix(s.URL, "http://")
		s.Check(s.AddWorkspace(context.Background(), s.Owner.Workspace, host, sallyport.FirstOwner{
			Workspace: "Globex", Name: "Gustav Globex", Address: "gustav@globex.example", Password: sallyporttest.Password,
		}))
		there := *c
		there.code = s.Visitor().At("http://" + host)
		w := v.At("http://" + host)
		if p := w.Get("/.well-known/openid-configuration"); p.Status != 200 || strings.Contains(p.Body, s.URL+"/") {
			t.Fatalf("the other workspace: %d %s", p.Status, p.Body)
		}
		for name, form := range map[string]url.Values{
			"code": redeeming(code, nil), "refresh": {"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}}, "device": device1,
		} {
			refused(t, name+" in another workspace", use(&there, form), "invalid_client")
		}
		if p := there.userinfo(tokens.text("access_token")); p.Status != 401 || read(t, p).text("error") != "invalid_token" {
			t.Errorf("userinfo in another workspace: %d %s", p.Status, p.Body)
		}
		if p := there.ask(w, nil); p.Status != http.StatusNotFound || p.Location != "" {
			t.Errorf("authorize in another workspace: %d %s", p.Status, p.Location)
		}
		v = v.At(s.URL)
		s.Exec("DELETE FROM sessions")
		refused(t, "a code of an ended session", use(c, redeeming(code, nil)), "invalid_grant")
		if got := reply(c.ask(v, map[string]string{"prompt": "none"})); got.Get("error") != "login_required" || got.Has("code") {
			t.Errorf("an ended session: %v", got)
		}
	})
}
