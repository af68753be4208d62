package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestFormPost(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		c.ask(v, map[string]string{"response_mode": "form_post"})
		p := v.Follow()
		f := p.Form("code")
		if f.Action != callback || f.Values.Get("state") != "st:a/te" || f.Values.Get("iss") != s.URL {
			t.Fatalf("the form is %+v: %s", f, p.Body)
		}
		if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://wiki.example.com;") {
			t.Errorf("the page's policy is %s", csp)
		}
		if p := c.call("/oauth2/token", redeeming(f.Values.Get("code"), nil)); p.Status != 200 {
			t.Errorf("%d %s", p.Status, p.Body)
		}
		c.ask(v, map[string]string{"response_mode": "form_post", "prompt": "none login"})
		if f := v.Follow().Form("error"); f.Values.Get("error") != "invalid_request" {
			t.Errorf("an error: %v", f.Values)
		}
		if csp := v.Get("/account").Header.Get("Content-Security-Policy"); strings.Contains(csp, "wiki") {
			t.Errorf("another page's policy is %s", csp)
		}
	})
}

func TestScriptsOfApps(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		other := register(s, "Other", func(a *sallyport.App) { a.Client.RedirectURIs = []string{"https://other.example.com/cb"} })
		from := func(method, path, origin, body string) *Page {
			h := http.Header{"Origin": {origin}, "Content-Type": {"application/x-www-form-urlencoded"}}
			return c.code.Send(sallyporttest.Request{Method: method, Target: path, Header: h, Body: body})
		}
		for _, path := range []string{"/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"} {
			for origin, want := range map[string]string{"https://wiki.example.com": "https://wiki.example.com", "https://evil.example": "", "null": "", "https://wiki.example.com:444": ""} {
				if p := from("OPTIONS", path, origin, ""); p.Status != 204 || p.Header.Get("Access-Control-Allow-Origin") != want {
					t.Errorf("%s from %s: %d %v", path, origin, p.Status, p.Header)
				}
			}
		}
		for _, path := range []string{"/oauth2/token", "/oauth2/revoke"} {
			if p := from("POST", path, "https://wiki.example.com", "client_id="+other.ID); p.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: another app's script may read it", path)
			}
			if p := from("POST", path, "https://wiki.example.com", "client_id="+c.ID); p.Header.Get("Access-Control-Allow-Origin") == "" {
				t.Errorf("%s: the app's own script may not read it", path)
			}
		}
		if p := from("GET", "/.well-known/openid-configuration", "https://evil.example", ""); p.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("discovery: %v", p.Header)
		}
	})
}

func TestPushedRequests(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		other := register(s, "Other", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		push := func() string {
			q := c.asking(nil)
			q.Del("client_id")
			p := c.call("/oauth2/par", q)
			if a := read(t, p); p.Status == 201 && a["expires_in"] == 60.0 {
				return a.text("request_uri")
			}
			t.Fatalf("%d %s", p.Status, p.Body)
			return ""
		}
		open := func(uri, client string) *Page {
			return v.Get("/oauth2/authorize?" + url.Values{"client_id": {client}, "request_uri": {uri}, "state": {"other"}}.Encode())
		}
		uri := push()
		if p := open(uri, other.ID); p.Location != "" {
			t.Errorf("another app's: %d %s", p.Status, p.Location)
		}
		if got := reply(open(uri, c.ID)); got.Get("code") == "" || got.Get("state") != "st:a/te" {
			t.Errorf("pushed: %v", got)
		}
		if p := open(uri, c.ID); p.Status != http.StatusGone {
			t.Errorf("a second time: %d %s", p.Status, p.Location)
		}
		uri = push()
		s.Clock.Advance(time.Minute)
		if p := open(uri, c.ID); p.Status != http.StatusGone {
			t.Errorf("after a minute: %d %s", p.Status, p.Location)
		}
		for name, changes := range map[string]map[string]string{
			"another address": {"redirect_uri": "https://evil.example/"}, "no PKCE": {"code_challenge": ""}, "a request_uri": {"request_uri": uri},
		} {
			q := c.asking(changes)
			q.Del("client_id")
			if p := c.call("/oauth2/par", q); p.Status != 400 || read(t, p).text("error") != "invalid_request" {
				t.Errorf("%s: %d %s", name, p.Status, p.Body)
			}
		}
	})
}

func TestSignedAssertions(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		s.Check(err)
		public, err := jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}.MarshalJSON()
		s.Check(err)
		c := register(s, "Wiki", func(a *sallyport.App) { a.Client.JWKS = `{"keys":[` + string(public) + `]}` })
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		assertion := func(change func(*jwt.Claims)) string {
			now := s.Clock.Now()
			all := jwt.Claims{Issuer: c.ID, Subject: c.ID, Audience: jwt.Audience{s.URL}, Expiry: jwt.NewNumericDate(now.Add(time.Minute)), ID: rand.Text()}
			if change != nil {
				change(&all)
			}
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
			s.Check(err)
			token, err := jwt.Signed(signer).Claims(all).Serialize()
			s.Check(err)
			return token
		}
		send := func(code, token string) *Page {
			return c.call("/oauth2/token", redeeming(code, map[string]string{"client_id": c.ID, "client_assertion": token,
				"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}))
		}
		shifted := func(by time.Duration) func(*jwt.Claims) { // as an app whose clock is wrong makes it
			return func(c *jwt.Claims) {
				now := s.Clock.Now().Add(by)
				c.IssuedAt, c.NotBefore, c.Expiry = jwt.NewNumericDate(now), jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(5*time.Minute))
			}
		}
		code := reply(c.ask(v, nil)).Get("code")
		used := assertion(nil)
		if p := send("x", used); read(t, p).text("error") != "invalid_grant" {
			t.Errorf("%d %s", p.Status, p.Body)
		}
		for name, token := range map[string]string{
			"used": used, "no id": assertion(func(c *jwt.Claims) { c.ID = "" }), "expired": assertion(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(s.Clock.Now()) }),
			"too long":      assertion(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(s.Clock.Now().Add(2 * time.Hour)) }),
			"an hour late":  assertion(shifted(-time.Hour)),
			"an hour early": assertion(shifted(time.Hour)),
			"begins later":  assertion(func(c *jwt.Claims) { c.NotBefore = jwt.NewNumericDate(s.Clock.Now().Add(5 * time.Minute)) }),
			"made later":    assertion(func(c *jwt.Claims) { c.IssuedAt = jwt.NewNumericDate(s.Clock.Now().Add(5 * time.Minute)) }),
			"for another":   assertion(func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://other.example"} }),
			"of another":    assertion(func(c *jwt.Claims) { c.Issuer = "app_other" }),
		} {
			p := send(code, token)
			if p.Status != 401 || read(t, p).text("error") != "invalid_client" || strings.Contains(name, "hour") && !strings.Contains(p.Body, "Check the clock") {
				t.Errorf("%s: %d %s", name, p.Status, p.Body)
			}
		}
		if p := send(code, assertion(func(c *jwt.Claims) { c.Audience = jwt.Audience{s.URL + "/oauth2/token"} })); p.Status != 200 {
			t.Errorf("after all that: %d %s", p.Status, p.Body)
		}
	})
}

func TestDevices(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Television", func(a *sallyport.App) { a.Client.Public = true })
		ada := person(s, "ada")
		start := func() answer {
			p := c.call("/oauth2/device_authorization", url.Values{"scope": {"openid email"}})
			if p.Status != 200 {
				t.Fatalf("%d %s", p.Status, p.Body)
			}
			return read(t, p)
		}
		poll := func(a answer) *Page {
			return c.call("/oauth2/token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {a.text("device_code")}})
		}
		is := func(name string, p *Page, want string) {
			t.Helper()
			if p.Status != 400 || read(t, p).text("error") != want {
				t.Errorf("%s: %d %s", name, p.Status, p.Body)
			}
		}
		a := start()
		is("at once", poll(a), "authorization_pending")
		is("at once again", poll(a), "slow_down")
		s.Clock.Advance(6 * time.Second)
		is("later", poll(a), "authorization_pending")
		if a.text("verification_uri") != s.URL+"/device" || a.text("verification_uri_complete") != s.URL+"/device?user_code="+a.text("user_code") {
			t.Errorf("started: %v", a)
		}
		v := s.Visitor()
		v.Get("/device?user_code=" + a.text("user_code"))
		f := v.Follow().Form("email")
		f.Values.Set("email", ada.Address)
		f.Values.Set("password", ada.Password)
		v.PostValues(f.Action, f.Values)
		f = v.Follow().Form("user_code")
		if f.Values.Get("user_code") != a.text("user_code") {
			t.Fatalf("after signing in: %s %s", v.Page.Target, v.Page.Body)
		}
		if p := v.Post("/device", Fields{"user_code": "BBBB-BBBB"}); p.Status != 422 {
			t.Errorf("a wrong code: %d", p.Status)
		}
		p := v.PostValues(f.Action, f.Values)
		if p.Status != 200 || !p.Has("Television") || p.Data("data-user-code") != a.text("user_code") {
			t.Fatalf("%d %s", p.Status, p.Body)
		}
		s.Clock.Advance(6 * time.Second)
		is("without an answer", poll(a), "authorization_pending")
		if p := v.Post("/device", Fields{"user_code": strings.ToLower(a.text("user_code")), "answer": "allow"}); p.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", p.Status, p.Body)
		}
		if p := s.Visitor().Through(s.Node()).Send(sallyporttest.Request{Method: "POST", Target: "/oauth2/token", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			Body: url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {a.text("device_code")}, "client_id": {c.ID}}.Encode()}); p.Status != 200 {
			t.Errorf("allowed: %d %s", p.Status, p.Body)
		} else if id := claims(t, read(t, p).text("id_token")); id["sub"] != ada.ID || id["acr"] != "aal1" {
			t.Errorf("allowed: %v", id)
		}
		is("a second time", poll(a), "invalid_grant")
		b := start()
		v.Post("/device", Fields{"user_code": b.text("user_code"), "answer": "refuse"})
		is("refused", poll(b), "access_denied")
		late := start()
		s.Clock.Advance(sallyport.DeviceCodeLimit)
		is("late", poll(late), "expired_token")
		for range 10 {
			v.Post("/device", Fields{"user_code": "BBBB-BBBB"})
		}
		if p := v.Post("/device", Fields{"user_code": start().text("user_code")}); p.Status != http.StatusTooManyRequests {
			t.Errorf("after many wrong codes: %d", p.Status)
		}
	})
}

func TestEndSession(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		const bye = "https://wiki.example.com/bye"
		c := register(s, "Wiki", func(a *sallyport.App) { a.Client.PostLogoutURIs = []string{bye} })
		ada := person(s, "ada")
		v := s.Visitor()
		v.SignIn(ada)
		hint := c.tokens(v, nil).text("id_token")
		s.Clock.Advance(time.Hour)
		end := func(v *Visitor, changes map[string]string) *Page {
			q := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}, "state": {"s"}}
			for name, value := range changes {
				q.Set(name, value)
			}
			v.Get("/oauth2/end-session?" + q.Encode())
			p := v.Follow()
			f := p.Form("forget")
			v.PostValues(f.Action, f.Values)
			return v.Page
		}
		w := v.Fork()
		w.Get("/oauth2/end-session?" + url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}}.Encode())
		if p := w.Follow(); !strings.Contains(p.Header.Get("Content-Security-Policy"), "https://wiki.example.com") {
			t.Errorf("the page's policy is %s", p.Header.Get("Content-Security-Policy"))
		}
		if !v.SignedIn() {
			t.Error("a link alone signs out")
		}
		if p := end(v, nil); p.Location != bye+"?state=s" || v.SignedIn() {
			t.Errorf("%d %s", p.Status, p.Location)
		}
		for name, changes := range map[string]map[string]string{
			"another address": {"post_logout_redirect_uri": "https://evil.example/"}, "no hint": {"id_token_hint": ""}, "a forged hint": {"id_token_hint": hint[:len(hint)-8] + "AAAAAAAA"},
			"another app": {"client_id": "app_other"}, "another session": nil,
		} {
			s.Clock.Advance(time.Minute)
			v.SignIn(ada)
			if p := end(v, changes); strings.HasPrefix(p.Location, "https:") || v.SignedIn() {
				t.Errorf("%s: %d %s", name, p.Status, p.Location)
			}
		}
	})
}

func TestBackchannelLogout(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		ctx := context.Background()
		got := make(chan string, 10)
		status := http.StatusOK
		listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/logout" {
				t.Errorf("a redirect was followed to %s", r.URL.Path)
			}
			body, _ := io.ReadAll(r.Body)
			f, _ := url.ParseQuery(string(body))
			got <- f.Get("logout_token")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		defer listening.Close()
		c := register(s, "Wiki", func(a *sallyport.App) { a.Client.BackchannelLogoutURI = listening.URL + "/logout" })
		ada := person(s, "ada")
		enter := func() answer {
			v := s.Visitor()
			s.Clock.Advance(time.Minute)
			v.SignIn(ada)
			return claims(t, c.tokens(v, nil).text("id_token"))
		}
		deliver := func(want int) {
			t.Helper()
			if n, err := background.DeliverLogouts(ctx, s.Service); n != want || err != nil {
				t.Errorf("%d were delivered, want %d: %v", n, want, err)
			}
		}
		v := s.Visitor()
		v.SignIn(ada)
		id := claims(t, c.tokens(v, nil).text("id_token"))
		c.tokens(v, nil)
		deliver(0)
		v.Post("/sign-out", nil)
		deliver(1)
		token := claims(t, <-got)
		events, _ := token["events"].(map[string]any)
		if token["sid"] != id["sid"] || token["sub"] != ada.ID || token["aud"] != c.ID || token["iss"] != s.URL || token["nonce"] != nil || token["jti"] == nil ||
			events["http://schemas.openid.net/event/backchannel-logout"] == nil {
			t.Errorf("the logout token says %v", token)
		}
		deliver(0)

		first, second := enter(), enter()
		owner := s.Visitor()
		owner.Enrol(&s.Owner, "Owner's")
		owner.Post("/admin/users/"+ada.ID+"/sign-out", nil)
		deliver(2)
		sids := map[any]bool{claims(t, <-got)["sid"]: true, claims(t, <-got)["sid"]: true}
		if !sids[first["sid"]] || !sids[second["sid"]] {
			t.Errorf("an administrator ended %v and %v, the app was told of %v", first["sid"], second["sid"], sids)
		}

		enter()
		status = http.StatusFound
		owner.Post("/admin/users/"+ada.ID+"/delete", nil)
		deliver(1)
		<-got
		deliver(0)
		s.Clock.Advance(time.Minute)
		deliver(1)
		<-got
		s.Clock.Advance(25 * time.Hour)
		deliver(1)
		<-got
		if n := len(s.Query("SELECT id FROM events WHERE kind = 'app.logout_failed' AND app = '" + c.ID + "'")); n != 1 {
			t.Errorf("%d events", n)
		}
		s.Clock.Advance(25 * time.Hour)
		deliver(0)
	})
}
