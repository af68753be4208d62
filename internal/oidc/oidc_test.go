package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

type (
	Site    = sallyporttest.Site
	Visitor = sallyporttest.Visitor
	Page    = sallyporttest.Page
	Person  = sallyporttest.Person
	Fields  = sallyporttest.Fields
)

const callback = "https://wiki.example.com/callback"

// client is an app that was registered, as it sees the server.
type client struct {
	*Site
	sallyport.App
	secret string
	code   *Visitor // sends what the app sends, without cookies
}

// each runs a test on a site on each kind of database.
func each(t *testing.T, fn func(t *testing.T, s *Site)) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) { fn(t, sallyporttest.NewSite(t, e)) })
}

// register adds a confidential app with a secret, unless change makes it public.
func register(s *Site, name string, change func(*sallyport.App)) *client {
	s.T.Helper()
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
	a.Client = &sallyport.AppClient{RedirectURIs: []string{callback}, Algorithm: "ES256", IDTokenClaims: true, Refresh: true}
	if change != nil {
		change(&a)
	}
	a, err := s.CreateApp(context.Background(), s.Console(), a)
	s.Check(err)
	c := &client{Site: s, App: a, code: s.Visitor()}
	if !a.Client.Public {
		c.secret = c.addSecret()
	}
	return c
}

func (c *client) addSecret() string {
	secret := rand.Text() + rand.Text()
	hash := sha256.Sum256([]byte(secret))
	c.Exec("INSERT INTO app_secrets (workspace_id, app_id, id, hash, created_at) VALUES ($1, $2, $3, $4, $5)",
		c.Workspace, c.ID, "sec_"+rand.Text(), hash[:], c.Clock.Now().UnixMilli())
	return secret
}

const verifier = "a-verifier-that-is-long-enough-for-the-standard-0123456789"

func challenge(verifier string) string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// asking returns the parameters of an ordinary request, with changes. An empty value leaves a parameter out.
func (c *client) asking(changes map[string]string) url.Values {
	q := url.Values{
		"client_id": {c.ID}, "response_type": {"code"}, "scope": {"openid profile email groups"}, "redirect_uri": {callback}, "state": {"st:a/te"},
		"nonce": {"n-1"}, "code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for name, value := range changes {
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
	}
	return q
}

// ask opens the authorization endpoint.
func (c *client) ask(v *Visitor, changes map[string]string) *Page {
	return v.Get("/oauth2/authorize?" + c.asking(changes).Encode())
}

// reply returns the parameters that a page sends to the app's address, or nil.
func reply(p *Page) url.Values {
	if !strings.HasPrefix(p.Location, callback+"?") {
		return nil
	}
	u, _ := url.Parse(p.Location)
	return u.Query()
}

// call posts a form to an endpoint, with the app's secret by Basic unless the form says otherwise.
func (c *client) call(path string, form url.Values) *Page {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if c.secret != "" && !form.Has("client_id") {
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID)+":"+url.QueryEscape(c.secret))))
	} else if !form.Has("client_id") {
		form.Set("client_id", c.ID)
	}
	return c.code.Send(sallyporttest.Request{Method: http.MethodPost, Target: path, Header: h, Body: form.Encode()})
}

// redeeming returns the form for a code.
func redeeming(code string, changes map[string]string) url.Values {
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	for name, value := range changes {
		f.Set(name, value)
		if value == "" {
			f.Del(name)
		}
	}
	return f
}

// answer is what an endpoint answered.
type answer map[string]any

func read(t testing.TB, p *Page) answer {
	t.Helper()
	a := answer{}
	if err := json.Unmarshal([]byte(p.Body), &a); err != nil {
		t.Fatalf("%s: %d %s", p.Target, p.Status, p.Body)
	}
	return a
}

func (a answer) text(name string) string {
	s, _ := a[name].(string)
	return s
}

// claims returns what a token says.
func claims(t testing.TB, token string) answer {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %q", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	a := answer{}
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// tokens gets tokens for a visitor who is signed in.
func (c *client) tokens(v *Visitor, changes map[string]string) answer {
	c.T.Helper()
	code := reply(c.ask(v, changes)).Get("code")
	if code == "" {
		c.T.Fatalf("no code: %d %s", v.Page.Status, v.Page.Location)
	}
	p := c.call("/oauth2/token", redeeming(code, nil))
	if p.Status != http.StatusOK {
		c.T.Fatalf("no tokens: %d %s", p.Status, p.Body)
	}
	return read(c.T, p)
}

func (c *client) userinfo(token string) *Page {
	return c.code.Send(sallyporttest.Request{Method: http.MethodGet, Target: "/oauth2/userinfo", Header: http.Header{"Authorization": {"Bearer " + token}}})
}

func person(s *Site, name string) Person { return s.Add(name+"@acme.example", sallyport.Member) }

// join puts a person into a group.
func join(s *Site, p Person, group string) {
	s.Exec(`INSERT INTO memberships (workspace_id, user_id, group_id, words, role, state, two_factor, must_set_up, joined_under)
		VALUES ($1, $2, $3, '', 'member', 'active', 0, 0, 0)`, s.Owner.Workspace, p.ID, group)
}

func TestSignInToAnApp(t *testing.T) {
	each(t, func(t *testing.T, s *Site) {
		c := register(s, "Wiki", nil)
		ada := person(s, "ada")
		v := s.Visitor()
		if p := c.ask(v, map[string]string{"login_hint": "ada@acme.example"}); p.Status != http.StatusSeeOther {
			t.Fatalf("%d %s", p.Status, p.Body)
		}
		if p := v.Follow(); p.Form("email").Values.Get("email") != "ada@acme.example" {
			t.Errorf("the hint is not filled in: %s", p.Body)
		}
		if csp := v.Page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://wiki.example.com;") {
			t.Errorf("the page's policy is %s", csp)
		}
		f := v.Page.Form("email")
		f.Values.Set("email", ada.Address)
		f.Values.Set("password", ada.Password)
		v.PostValues(f.Action, f.Values)
		if !strings.HasPrefix(v.Page.Location, "/apps/continue?request=") {
			t.Fatalf("after signing in: %d %s", v.Page.Status, v.Page.Location)
		}
		got := reply(v.Get(v.Page.Location))
		if got.Get("state") != "st:a/te" || got.Get("iss") != s.URL || got.Get("code") == "" {
			t.Fatalf("the reply is %v", got)
		}
		p := c.call("/oauth2/token", redeeming(got.Get("code"), nil))
		if p.Status != http.StatusOK {
			t.Fatalf("%d %s", p.Status, p.Body)
		}
		tokens := read(t, p)
		id := claims(t, tokens.text("id_token"))
		for name, want := range map[string]any{"iss": s.URL, "sub": ada.ID, "aud": c.ID, "nonce": "n-1", "acr": "aal1", "email": ada.Address, "email_verified": true, "preferred_username": ada.Address} {
			if id[name] != want {
				t.Errorf("%s is %v, want %v", name, id[name], want)
			}
		}
		if tokens.text("scope") != "openid profile email groups" || tokens["expires_in"] != 600.0 {
			t.Errorf("answered %v", tokens)
		}
		info := read(t, c.userinfo(tokens.text("access_token")))
		if info["sub"] != ada.ID || info["email"] != ada.Address {
			t.Errorf("userinfo %v", info)
		}
		if events := s.Query("SELECT id FROM events WHERE kind = 'app.opened' AND app = '" + c.ID + "'"); len(events) != 1 {
			t.Errorf("%d events", len(events))
		}
	})
}
