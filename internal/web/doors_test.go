package web_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/internal/snippet"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// office is a company: its workspace and two apps on hosts of their own, behind one nginx, and an app that uses OpenID Connect.
type office struct {
	*sallyporttest.Site
	t           *testing.T
	group       sallyport.Group // opens board and chat
	wiki, board string          // origins
	chat        *chatApp
}

// newOffice starts an office whose policy requires two-factor authentication of everyone.
func newOffice(t *testing.T) *office {
	t.Helper()
	ctx := context.Background()
	e := sallyporttest.New(t, "sqlite")
	e.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
	o := &office{Site: sallyporttest.NewSiteBehind(t, e), t: t}
	port := e.URL[strings.LastIndex(e.URL, ":"):]
	o.wiki, o.board = "http://wiki.localhost"+port, "http://board.intranet.localhost"+port
	var err error
	o.group, err = e.CreateGroup(ctx, e.Console(), "Board")
	e.Check(err)
	members := func(a *sallyport.App) { a.Access, a.Groups = sallyport.AccessGroups, []string{o.group.ID} }
	servers := fmt.Sprintf(workspaceServer, port, o.Addr())
	for origin, rules := range map[string][]string{o.wiki: {"/admin = two_factor fresh:5"}, o.board: nil} {
		name := map[string]string{o.wiki: "Wiki", o.board: "Board papers"}[origin]
		addApp(e, name, func(a *sallyport.App) {
			a.Address, a.Proxy.Hosts, a.Proxy.Rules = origin+"/", []string{origin}, rules
			if origin == o.board {
				members(a)
			}
		})
		behind := httptest.NewServer(pagesOf(name))
		t.Cleanup(behind.Close)
		conf, err := snippet.Fill("nginx", snippet.Data{
			Workspace: e.URL, Server: o.Addr(), Hosts: []string{origin}, App: behind.Listener.Addr().String(), Listen: "127.0.0.1",
		})
		e.Check(err)
		servers += conf
	}
	o.chat = newChat(t, e, members)
	sallyporttest.StartNginx(t, servers)
	o.chat.discover(e)
	return o
}

// workspaceServer is the configuration of docs/operations.md, without TLS.
const workspaceServer = `
server {
    listen 127.0.0.1%s;
    server_name localhost;
    location / {
        proxy_pass http://%s;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host "";
    }
    location /api/authz/ { return 404; }
}
`

// browser opens a browser that may go to all the addresses of the office.
func (o *office) browser(l sallyporttest.Look) *sallyporttest.Browser {
	o.t.Helper()
	b := sallyporttest.NewBrowser(o.t, o.URL, l)
	b.Allow(o.wiki, o.board, o.chat.origin)
	return b
}

// person adds a person, with an authenticator or without.
func (o *office) person(name string, enrolled, member bool) *sallyporttest.Person {
	o.t.Helper()
	p := o.Add(name+"@acme.example", sallyport.Member)
	if member {
		o.Check(o.JoinGroup(context.Background(), o.Console(), o.group.ID, p.ID))
	}
	if enrolled {
		o.Visitor().Enrol(&p, "Phone")
	}
	return &p
}

// endedSessions tells apps of sessions that have ended, as a server does by itself.
func (o *office) endedSessions() {
	o.t.Helper()
	_, err := background.DeliverLogouts(context.Background(), o.Service)
	o.Check(err)
}

var appPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.App}}</title><link rel="icon" href="data:,"></head>
<body><main><h1>{{.App}}</h1><p>{{.Who}} is at {{.Where}}.</p><p><a href="{{.SignOut}}">Sign out</a></p></main></body></html>
`))

func showApp(w http.ResponseWriter, app, who, where, signOut string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = appPage.Execute(w, map[string]string{"App": app, "Who": who, "Where": where, "SignOut": signOut})
}

// pagesOf is an app that knows nothing about sign-in. Its pages say who opened them, and at which address.
func pagesOf(app string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		showApp(w, app, r.Header.Get("Remote-User"), r.RequestURI, "/.sallyport/sign-out")
	})
}

// chatApp is an app that uses OpenID Connect.
type chatApp struct {
	origin   string
	issuer   string
	config   oauth2.Config
	provider *coreos.Provider
	verifier *coreos.IDTokenVerifier

	mu       sync.Mutex
	begun    map[string]begun // by state
	sessions map[string]member
}

// begun is a sign-in that has not come back.
type begun struct{ browser, nonce, pkce, target string }

// member is a signed-in browser.
type member struct{ address, sid, token string }

func newChat(t *testing.T, e *sallyporttest.Env, change func(*sallyport.App)) *chatApp {
	t.Helper()
	c := &chatApp{issuer: e.URL, begun: map[string]begun{}, sessions: map[string]member{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", c.callback)
	mux.HandleFunc("POST /ended", c.ended)
	mux.HandleFunc("GET /sign-out", c.signOut)
	mux.HandleFunc("GET /", c.open)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	c.origin = "http://chat.localhost" + port
	a := addApp(e, "Chat", change, func(a *sallyport.App) {
		a.Address = c.origin + "/"
		a.Client = sallyport.NewAppClient(c.origin + "/callback")
		a.Client.PostLogoutURIs, a.Client.BackchannelLogoutURI = []string{c.origin + "/"}, server.URL+"/ended"
	})
	secret, err := e.NewClientSecret(context.Background(), e.Console(), a.ID)
	e.Check(err)
	c.config = oauth2.Config{ClientID: a.ID, ClientSecret: secret.Reveal(), RedirectURL: c.origin + "/callback", Scopes: []string{coreos.ScopeOpenID, "email"}}
	return c
}

// discover reads the metadata of the workspace, which answers by then.
func (c *chatApp) discover(e *sallyporttest.Env) {
	e.T.Helper()
	provider, err := coreos.NewProvider(context.Background(), c.issuer)
	e.Check(err)
	c.provider, c.config.Endpoint = provider, provider.Endpoint()
	c.verifier = provider.Verifier(&coreos.Config{ClientID: c.config.ClientID, Now: e.Clock.Now})
}

// open shows a page to members, and sends everyone else to sign in.
func (c *chatApp) open(w http.ResponseWriter, r *http.Request) {
	browser := ""
	if kept, err := r.Cookie("chat"); err == nil {
		browser = kept.Value
	} else {
		browser = rand.Text()
		http.SetCookie(w, &http.Cookie{Name: "chat", Value: browser, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.sessions[browser]; ok {
		showApp(w, "Chat", m.address, r.RequestURI, "/sign-out")
		return
	}
	state, b := rand.Text(), begun{browser, rand.Text(), oauth2.GenerateVerifier(), r.RequestURI}
	c.begun[state] = b
	options := []oauth2.AuthCodeOption{coreos.Nonce(b.nonce), oauth2.S256ChallengeOption(b.pkce)}
	if prompt := r.FormValue("prompt"); prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", prompt))
	}
	http.Redirect(w, r, c.config.AuthCodeURL(state, options...), http.StatusFound)
}

func (c *chatApp) callback(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, err := r.Cookie("chat")
	b, ok := c.begun[r.FormValue("state")]
	if err != nil || !ok || b.browser != kept.Value || r.FormValue("iss") != c.issuer {
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	delete(c.begun, r.FormValue("state"))
	if e := r.FormValue("error"); e != "" {
		showApp(w, "Chat", "Nobody", e+": "+r.FormValue("error_description"), "/sign-out")
		return
	}
	token, err := c.config.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(b.pkce))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := c.verifier.Verify(r.Context(), raw)
	var claims struct{ Email, Sid string }
	if err == nil {
		err = id.Claims(&claims)
	}
	if err != nil || id.Nonce != b.nonce {
		http.Error(w, fmt.Sprint("the ID token: ", err), http.StatusBadGateway)
		return
	}
	c.sessions[b.browser] = member{claims.Email, claims.Sid, raw}
	http.Redirect(w, r, b.target, http.StatusFound)
}

// forget ends all sessions of the app, and none at the workspace.
func (c *chatApp) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.sessions)
}

// ended ends the sessions that a logout token names.
func (c *chatApp) ended(w http.ResponseWriter, r *http.Request) {
	token, err := c.verifier.Verify(r.Context(), r.FormValue("logout_token"))
	var claims struct{ Sid string }
	if err == nil {
		err = token.Claims(&claims)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for browser, m := range c.sessions {
		if m.sid == claims.Sid {
			delete(c.sessions, browser)
		}
	}
}

// signOut signs the member out here and at the workspace.
func (c *chatApp) signOut(w http.ResponseWriter, r *http.Request) {
	kept, err := r.Cookie("chat")
	if err != nil {
		http.Redirect(w, r, "/", http.StatusFound)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.sessions[kept.Value]
	delete(c.sessions, kept.Value)
	to, _ := http.NewRequest(http.MethodGet, c.issuer+"/oauth2/end-session", nil)
	q := to.URL.Query()
	q.Set("id_token_hint", m.token)
	q.Set("post_logout_redirect_uri", c.origin+"/")
	to.URL.RawQuery = q.Encode()
	http.Redirect(w, r, to.URL.String(), http.StatusFound)
}
