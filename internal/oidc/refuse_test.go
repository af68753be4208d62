package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestI17_WhereTheReplyGoes(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", func(a *sallyport.App) {
			a.Client.RedirectURIs = append(a.Client.RedirectURIs, "https://wiki.example.com/cb?x=1")
		})
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		for _, uri := range []string{
			"", callback + "/", callback + "?a=b", callback + "#f", strings.ToUpper(callback), "https://wiki.example.com/callback/../callback",
			"https://wiki.example.com/%63allback", "https://evil.example/callback", "http://wiki.example.com/callback", "https://wiki.example.com:443/callback",
			"https://u@wiki.example.com/callback", " " + callback, callback + "%00", "http://127.0.0.1/callback",
		} {
			p := c.ask(v, map[string]string{"redirect_uri": uri})
			if p.Status != http.StatusBadRequest || p.Location != "" || uri != "" && !strings.Contains(uri, "%00") && !p.Has(strings.TrimSpace(uri)) {
				t.Errorf("%q: %d %s", uri, p.Status, p.Location)
			}
		}
		for _, id := range []string{"", "app_unknown", s.Owner.ID, c.ID + "x"} {
			if p := c.ask(v, map[string]string{"client_id": id}); p.Status != http.StatusNotFound || p.Location != "" {
				t.Errorf("client %q: %d %s", id, p.Status, p.Location)
			}
		}
		if p := c.ask(v, map[string]string{"redirect_uri": "https://wiki.example.com/cb?x=1"}); !strings.HasPrefix(p.Location, "https://wiki.example.com/cb?x=1&code=") {
			t.Errorf("an address with a query: %d %s", p.Status, p.Location)
		}
	})
}

func TestErrorsAreSentBack(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		for name, test := range map[string]struct {
			changes map[string]string
			want    string
		}{
			"token":           {map[string]string{"response_type": "token"}, "unsupported_response_type"},
			"no type":         {map[string]string{"response_type": ""}, "invalid_request"},
			"fragment":        {map[string]string{"response_mode": "fragment"}, "invalid_request"},
			"no PKCE":         {map[string]string{"code_challenge": "", "code_challenge_method": ""}, "invalid_request"},
			"plain":           {map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
			"no method":       {map[string]string{"code_challenge_method": ""}, "invalid_request"},
			"short challenge": {map[string]string{"code_challenge": "abc"}, "invalid_request"},
			"request":         {map[string]string{"request": "a.b.c"}, "request_not_supported"},
			"request_uri":     {map[string]string{"request_uri": "https://wiki.example.com/r"}, "request_uri_not_supported"},
			"none and login":  {map[string]string{"prompt": "none login"}, "invalid_request"},
			"create":          {map[string]string{"prompt": "create"}, "invalid_request"},
			"max_age":         {map[string]string{"max_age": "-1"}, "invalid_request"},
			"claims":          {map[string]string{"claims": "[]"}, "invalid_request"},
			"hint":            {map[string]string{"id_token_hint": "a.b.c"}, "invalid_request"},
			"unreachable":     {map[string]string{"claims": `{"id_token":{"acr":{"essential":true,"values":["phr"]}}}`}, "unmet_authentication_requirements"},
		} {
			got := reply(c.ask(v, test.changes))
			if got.Get("error") != test.want || got.Get("state") != "st:a/te" || got.Get("iss") != s.URL || got.Get("error_description") == "" || got.Has("code") {
				t.Errorf("%s: %d %v", name, v.Page.Status, got)
			}
		}
		p := v.Get("/oauth2/authorize?" + c.asking(nil).Encode() + "&nonce=2")
		if got := reply(p); got.Get("error") != "invalid_request" {
			t.Errorf("a nonce twice: %d %v", p.Status, got)
		}
		if p := v.Get("/oauth2/authorize?" + c.asking(nil).Encode() + "&client_id=" + c.ID); p.Status != http.StatusBadRequest || p.Location != "" {
			t.Errorf("a client twice: %d %s", p.Status, p.Location)
		}
		if got := reply(v.Get("/oauth2/authorize?approval_prompt=force&approval_prompt=auto&access_type=offline&" + c.asking(nil).Encode())); got.Get("code") == "" {
			t.Errorf("unknown parameters: %v", got)
		}
		if got := reply(c.ask(s.Visitor(), map[string]string{"prompt": "none"})); got.Get("error") != "login_required" {
			t.Errorf("nobody with none: %v", got)
		}
	})
}

func TestI17_Codes(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		other := register(s, "Other", nil)
		optional := register(s, "Old", func(a *sallyport.App) { a.Client.PKCEOptional = true })
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		code := func(c *client, changes map[string]string) string { return reply(c.ask(v, changes)).Get("code") }
		wrong := func(name string, p *Page, status int, want string) {
			t.Helper()
			if a := read(t, p); p.Status != status || a.text("error") != want || a.text("error_description") == "" || a["access_token"] != nil {
				t.Errorf("%s: %d %s", name, p.Status, p.Body)
			}
		}
		one := code(c, nil)
		for name, changes := range map[string]map[string]string{
			"no verifier": {"code_verifier": ""}, "a wrong verifier": {"code_verifier": verifier + "x"}, "another address": {"redirect_uri": callback + "/"},
			"no address": {"redirect_uri": ""}, "a changed code": {"code": one[:60] + "--" + one[62:]},
		} {
			wrong(name, c.call("/oauth2/token", redeeming(one, changes)), 400, "invalid_grant")
		}
		wrong("no code", c.call("/oauth2/token", redeeming("", nil)), 400, "invalid_request")
		wrong("another app", other.call("/oauth2/token", redeeming(one, nil)), 400, "invalid_grant")
		f := redeeming(one, map[string]string{"client_id": c.ID, "client_secret": "wrong"})
		wrong("a wrong secret", c.call("/oauth2/token", f), 401, "invalid_client")
		wrong("no secret", c.call("/oauth2/token", redeeming(one, map[string]string{"client_id": c.ID})), 401, "invalid_client")
		wrong("no grant type", c.call("/oauth2/token", redeeming(one, map[string]string{"grant_type": ""})), 400, "invalid_request")
		wrong("another grant type", c.call("/oauth2/token", redeeming(one, map[string]string{"grant_type": "password"})), 400, "unsupported_grant_type")
		p := c.call("/oauth2/token", redeeming(one, map[string]string{"client_id": c.ID, "client_secret": c.secret}))
		if p.Status != 200 || p.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("after all that, the code does not work: %d %s", p.Status, p.Body)
		}
		tokens := read(t, p)
		if p := c.userinfo(tokens.text("access_token")); p.Status != 200 {
			t.Errorf("userinfo: %d", p.Status)
		}
		wrong("a second time", c.call("/oauth2/token", redeeming(one, nil)), 400, "invalid_grant")
		if p := c.userinfo(tokens.text("access_token")); p.Status != 401 {
			t.Errorf("the access token of a code that was used twice: %d %s", p.Status, p.Body)
		}
		if n := len(s.Query("SELECT id FROM events WHERE kind = 'app.code_reused' AND result = 'refused'")); n != 1 {
			t.Errorf("%d events", n)
		}
		late := code(c, nil)
		s.Clock.Advance(time.Minute)
		wrong("after a minute", c.call("/oauth2/token", redeeming(late, nil)), 400, "invalid_grant")
		plain := code(optional, map[string]string{"code_challenge": "", "code_challenge_method": ""})
		wrong("a verifier without a challenge", optional.call("/oauth2/token", redeeming(plain, nil)), 400, "invalid_grant")
		if p := optional.call("/oauth2/token", redeeming(plain, map[string]string{"code_verifier": ""})); p.Status != 200 {
			t.Errorf("optional PKCE: %d %s", p.Status, p.Body)
		}
		challenged := code(optional, nil)
		wrong("PKCE cannot be left out later", optional.call("/oauth2/token", redeeming(challenged, map[string]string{"code_verifier": ""})), 400, "invalid_grant")
	})
}

func TestClientAuthentication(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		public := register(s, "Phone", func(a *sallyport.App) {
			a.Client.Public, a.Client.RedirectURIs = true, []string{callback, "http://127.0.0.1/cb"}
		})
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		basic := func(id, secret string) http.Header {
			return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}}
		}
		send := func(h http.Header, f url.Values) *Page {
			return c.code.Send(sallyporttest.Request{Method: "POST", Target: "/oauth2/token", Header: h, Body: f.Encode()})
		}
		code := reply(c.ask(v, nil)).Get("code")
		for name, test := range map[string]struct {
			header http.Header
			form   map[string]string
			status int
			want   string
		}{
			"both":                {basic(c.ID, c.secret), map[string]string{"client_secret": c.secret}, 400, "invalid_request"},
			"another id":          {basic(c.ID, c.secret), map[string]string{"client_id": public.ID}, 400, "invalid_request"},
			"not base64":          {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Basic %%%"}}, nil, 400, "invalid_request"},
			"bearer":              {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Bearer " + c.secret}}, nil, 400, "invalid_request"},
			"wrong":               {basic(c.ID, "x"), nil, 401, "invalid_client"},
			"unknown":             {basic("app_x", "x"), nil, 401, "invalid_client"},
			"public with secret":  {basic(public.ID, "x"), nil, 401, "invalid_client"},
			"JSON":                {http.Header{"Content-Type": {"application/json"}}, nil, 400, "invalid_request"},
			"an unknown type":     {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, map[string]string{"client_id": c.ID, "client_assertion_type": "x", "client_assertion": "a.b.c"}, 400, "invalid_request"},
			"a made-up assertion": {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, map[string]string{"client_id": c.ID, "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": "a.b.c"}, 401, "invalid_client"},
		} {
			p := send(test.header, redeeming(code, test.form))
			if a := read(t, p); p.Status != test.status || a.text("error") != test.want || p.Status == 401 && p.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %d %s", name, p.Status, p.Body)
			}
		}
		if p := c.code.Send(sallyporttest.Request{Method: "POST", Target: "/oauth2/token?client_secret=x", Header: basic(c.ID, c.secret), Body: redeeming(code, nil).Encode()}); p.Status != 400 {
			t.Errorf("a secret in the address: %d", p.Status)
		}
		encoded := strings.ReplaceAll(c.ID, "_", "%5F")
		if p := send(basic(encoded, c.secret), redeeming(code, map[string]string{"client_id": c.ID})); p.Status != 200 {
			t.Errorf("form-encoded, with the same id in the body: %d %s", p.Status, p.Body)
		}
		p := public.ask(v, map[string]string{"redirect_uri": "http://127.0.0.1:49152/cb"})
		if !strings.HasPrefix(p.Location, "http://127.0.0.1:49152/cb?code=") {
			t.Fatalf("a public client on loopback: %d %s", p.Status, p.Location)
		}
		u, _ := url.Parse(p.Location)
		if p := public.call("/oauth2/token", redeeming(u.Query().Get("code"), map[string]string{"redirect_uri": "http://127.0.0.1:49152/cb"})); p.Status != 200 {
			t.Errorf("a public client: %d %s", p.Status, p.Body)
		}

		for range 19 { // one was wrong above
			send(basic(c.ID, "wrong"), redeeming("x", nil))
		}
		if p := send(basic(c.ID, c.secret), redeeming("x", nil)); p.Status != 429 || p.Header.Get("Retry-After") == "" {
			t.Errorf("after 20 wrong secrets: %d %s", p.Status, p.Body)
		}
		elsewhere := c.code.Fork().From("203.0.113.9")
		if p := elsewhere.Send(sallyporttest.Request{Method: "POST", Target: "/oauth2/token", Header: basic(c.ID, c.secret), Body: redeeming("x", nil).Encode()}); read(t, p).text("error") != "invalid_grant" {
			t.Errorf("from another address: %d %s", p.Status, p.Body)
		}
		s.Clock.Advance(15 * time.Minute)
		if p := send(basic(c.ID, c.secret), redeeming("x", nil)); read(t, p).text("error") != "invalid_grant" {
			t.Errorf("after 15 minutes: %d %s", p.Status, p.Body)
		}
	})
}
