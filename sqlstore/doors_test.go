package sqlstore_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

const (
	callback = "https://wiki.example.com/callback"
	verifier = "a-verifier-that-is-long-enough-for-the-standard-0123456789"
)

// program is an app that uses OpenID Connect, at a site.
type program struct {
	t      *testing.T
	id     string
	secret string
	v      *sallyporttest.Visitor // sends what the app sends
}

// connect adds an app by the pages of an owner who has just given a code.
func connect(t *testing.T, e *sallyporttest.Env, owner, v *sallyporttest.Visitor, name string) *program {
	t.Helper()
	p := owner.Post("/admin/apps/new", sallyporttest.Fields{"connect": "openid", "name": name, "redirect_uris": callback})
	secret := p.Data("data-secret")
	if secret == "" {
		t.Fatalf("an app: %d %s", p.Status, p.Alert())
	}
	return &program{t, e.Query("SELECT id FROM apps WHERE name = '" + name + "'")[0][0], secret, v}
}

func (c *program) ask(changes map[string]string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"client_id": {c.id}, "response_type": {"code"}, "scope": {"openid profile email groups offline_access"}, "redirect_uri": {callback}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for name, value := range changes {
		q.Set(name, value)
	}
	return q
}

// code returns the code that a browser brings back.
func (c *program) code(browser *sallyporttest.Visitor) string {
	c.t.Helper()
	browser.Get("/oauth2/authorize?" + c.ask(nil).Encode())
	for browser.Page.Location != "" && !strings.HasPrefix(browser.Page.Location, callback) {
		browser.Get(browser.Page.Location)
	}
	u, err := url.Parse(browser.Page.Location)
	if err != nil || u.Query().Get("code") == "" {
		c.t.Fatalf("no code: %d %s %s", browser.Page.Status, browser.Page.Target, browser.Page.Location)
	}
	return u.Query().Get("code")
}

// call posts a form to an endpoint, and returns the texts of the answer.
func (c *program) call(path string, f url.Values) map[string]string {
	c.t.Helper()
	f.Set("client_id", c.id)
	f.Set("client_secret", c.secret)
	p := c.v.Send(sallyporttest.Request{Method: "POST", Target: path, Body: f.Encode(), Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}})
	all, texts := map[string]any{}, map[string]string{}
	if p.Body != "" {
		if err := json.Unmarshal([]byte(p.Body), &all); err != nil {
			c.t.Fatalf("%s: %d %s", path, p.Status, p.Body)
		}
	}
	for name, value := range all {
		texts[name], _ = value.(string)
	}
	return texts
}

func (c *program) redeem(code string) map[string]string {
	c.t.Helper()
	return c.call("/oauth2/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
}

func (c *program) userinfo(token string) *sallyporttest.Page {
	return c.v.Send(sallyporttest.Request{Method: "GET", Target: "/oauth2/userinfo", Header: http.Header{"Authorization": {"Bearer " + token}}})
}

// useDoors does with the doors of apps what collect does with everything else.
func useDoors(t *testing.T, e *sallyporttest.Env, site *sallyporttest.Site, owner *sallyporttest.Visitor) {
	t.Helper()
	c := connect(t, e, owner, site.Visitor(), "Intranet")
	at := "/admin/apps/" + c.id
	owner.Post(at+"/openid", sallyporttest.Fields{"redirect_uris": callback, "backchannel_logout_uri": "http://127.0.0.1:1/", "post_logout_uris": callback, "alg": "ES256", "id_token_claims": "yes", "refresh": "yes"})
	code := c.code(owner)
	tokens := c.redeem(code)
	next := c.call("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"]}})
	if next["access_token"] == "" || c.userinfo(next["access_token"]).Status != 200 {
		t.Fatalf("refresh: %v", next)
	}
	for _, token := range []string{tokens["access_token"], next["refresh_token"]} {
		c.call("/oauth2/introspect", url.Values{"token": {token}})
		c.call("/oauth2/revoke", url.Values{"token": {token}})
	}
	c.redeem(code) // which ends what it was used for
	uri := c.call("/oauth2/par", c.ask(map[string]string{"prompt": "consent"}))["request_uri"]
	owner.Get("/oauth2/authorize?" + url.Values{"client_id": {c.id}, "request_uri": {uri}}.Encode())
	f := owner.Follow().Form("request")
	f.Values.Set("answer", "yes")
	owner.PostValues(f.Action, f.Values)
	owner.Follow()
	for range 2 {
		device := c.call("/oauth2/device_authorization", url.Values{})
		poll := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device["device_code"]}}
		c.call("/oauth2/token", poll)
		owner.Post("/device", sallyporttest.Fields{"user_code": "BBBB-BBBB"})
		owner.Post("/device", sallyporttest.Fields{"user_code": device["user_code"]})
		owner.Post("/device", sallyporttest.Fields{"user_code": device["user_code"], "answer": "allow"})
		if c.call("/oauth2/token", poll)["access_token"] == "" {
			t.Fatal("a device gets nothing")
		}
	}
	c.v.Send(sallyporttest.Request{Method: "OPTIONS", Target: "/oauth2/userinfo", Header: http.Header{"Origin": {"https://wiki.example.com"}}})
	wrong := *c
	wrong.secret = "wrong"
	wrong.call("/oauth2/introspect", url.Values{})
	owner.Get("/oauth2/end-session?" + url.Values{"id_token_hint": {tokens["id_token"]}, "post_logout_redirect_uri": {callback}}.Encode())
	owner.Follow()

	const intranet = "https://proxied.example.com"
	owner.Post(at+"/proxy", sallyporttest.Fields{"hosts": intranet, "tokens": "yes", "rules": "/admin = groups:nobody"})
	proxied := func(target, cookie, authorization string) *sallyporttest.Page {
		return c.v.Send(sallyporttest.Request{Method: "GET", Target: "/api/authz/auth-request", Header: http.Header{
			"X-Original-Method": {"GET"}, "X-Original-Url": {intranet + target}, "Accept": {"text/html"}, "Cookie": {cookie}, "Authorization": {authorization}}})
	}
	p := proxied("/", "of=the-app", "Bearer of-the-app")
	cookie := p.Cookies[0].Name + "=" + p.Cookies[0].Value
	to, err := url.Parse(p.Header.Get("Location"))
	e.Check(err)
	owner.Get(to.RequestURI())
	for owner.Page.Location != "" && !strings.HasPrefix(owner.Page.Location, intranet) {
		owner.Get(owner.Page.Location)
	}
	if owner.Page.Location == "" {
		t.Fatalf("the way to an app behind a proxy ends at %d %s %s", owner.Page.Status, owner.Page.Target, owner.Page.Text())
	}
	p = proxied(strings.TrimPrefix(owner.Page.Location, intranet), cookie, "Bearer of-the-app")
	if len(p.Cookies) != 1 {
		t.Fatalf("behind a proxy: %d %s after %s", p.Status, p.Body, owner.Page.Location)
	}
	cookie = p.Cookies[0].Name + "=" + p.Cookies[0].Value
	if p := proxied("/", cookie, "Bearer of-the-app"); p.Status != 200 {
		t.Fatalf("behind a proxy: %d %s", p.Status, p.Body)
	}
	proxied("/admin", cookie, "Bearer of-the-app")
	p = owner.Post("/account/tokens", sallyporttest.Fields{"name": "Script", "app": c.id, "expires": e.Clock.Now().AddDate(0, 1, 0).Format(time.DateOnly)})
	if p := proxied("/", "", "Bearer "+p.Data("data-secret")); p.Status != 200 {
		t.Fatalf("an access token: %d %s", p.Status, p.Body)
	}
	owner.Post("/account/tokens/"+e.Query("SELECT id FROM app_tokens")[0][0]+"/revoke", nil)
	other := site.Visitor()
	other.SignIn(e.Add("ned@acme.example", sallyport.Member))
	c.redeem(c.code(other))
	other.Post("/sign-out", nil)
	if n, err := background.DeliverLogouts(t.Context(), site.Service); n != 1 || err != nil {
		t.Fatalf("%d messages, %v", n, err)
	}
	owner.Post(at+"/openid/disconnect", nil)
}

// statementsOfSignIn is how many statements a sign-in to an app may run, from the request of the browser to userinfo. Its event
// takes two of them.
const statementsOfSignIn = 22

// TestSignInToAnAppRunsFewStatements counts what a browser with a session and an app with a secret cause, on a node whose caches
// are warm.
func TestSignInToAnAppRunsFewStatements(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		counted, f := node(t, e, sallyporttest.NewSite(t, e), sallyporttest.Cheap)
		f.failAt(0, false)
		owner := counted.Visitor()
		owner.Enrol(&e.Owner, "Owner's")
		c := connect(t, e, owner, counted.Visitor(), "Wiki")
		tokens := c.redeem(c.code(owner))
		all := 0
		for _, step := range []struct {
			what string
			do   func()
		}{
			{"authorize", func() { tokens["code"] = c.code(owner) }},
			{"token", func() { tokens = c.redeem(tokens["code"]) }},
			{"userinfo", func() { c.userinfo(tokens["access_token"]) }},
			{"introspect", func() { c.call("/oauth2/introspect", url.Values{"token": {tokens["access_token"]}}) }},
			{"refresh", func() {
				c.call("/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"]}})
			}},
		} {
			f.seen = nil
			step.do()
			ran := slices.DeleteFunc(f.seen, func(s string) bool { return strings.HasPrefix(s, "commit") })
			t.Logf("%s: %d statements:\n%s", step.what, len(ran), strings.Join(ran, "\n"))
			if step.what == "authorize" || step.what == "token" || step.what == "userinfo" {
				all += len(ran)
			}
		}
		if t.Logf("a sign-in: %d", all); all > statementsOfSignIn {
			t.Errorf("%d statements", all)
		}
	})
}
