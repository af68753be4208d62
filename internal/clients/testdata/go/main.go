// A web app whose people sign in with OpenID Connect.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"html"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// person is what the app keeps about somebody who has signed in.
type person struct {
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
	ACR      string   `json:"acr"`
	AuthTime int64    `json:"auth_time"`
	idToken  string
}

// attempt is a sign-in that has begun.
type attempt struct{ state, nonce, verifier, to string }

type app struct {
	oauth2.Config
	provider *oidc.Provider
	logout   string
	mu       sync.Mutex
	people   map[string]person  // by the cookie "session"
	attempts map[string]attempt // by the cookie "attempt"
}

func main() {
	address := os.Getenv("ADDRESS") // such as https://wiki.example.com
	provider, err := oidc.NewProvider(context.Background(), os.Getenv("ISSUER"))
	if err != nil {
		log.Fatal(err)
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		log.Fatal(err)
	}
	a := &app{provider: provider, logout: more.EndSession, people: map[string]person{}, attempts: map[string]attempt{}}
	a.Config = oauth2.Config{
		ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET"), Endpoint: provider.Endpoint(),
		RedirectURL: address + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email", "groups"},
	}
	http.HandleFunc("GET /{$}", a.home)
	http.HandleFunc("GET /payroll", a.payroll)
	http.HandleFunc("GET /callback", a.callback)
	http.HandleFunc("GET /sign-out", a.signOut)
	http.HandleFunc("GET /signed-out", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<h1>You are signed out</h1>") })
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	p, ok := a.person(r)
	if !ok {
		a.signIn(w, r)
		return
	}
	fmt.Fprintf(w, "<h1>Hello, %s</h1><p>%s</p>", html.EscapeString(p.Name), html.EscapeString(p.Email))
}

// payroll needs a second factor that is at most five minutes old.
func (a *app) payroll(w http.ResponseWriter, r *http.Request) {
	p, ok := a.person(r)
	if !ok || p.ACR != "aal2" && p.ACR != "phr" || time.Since(time.Unix(p.AuthTime, 0)) > 5*time.Minute {
		a.signIn(w, r, oauth2.SetAuthURLParam("acr_values", "aal2"), oauth2.SetAuthURLParam("max_age", "300"))
		return
	}
	fmt.Fprintf(w, "<h1>Payroll of %s</h1>", html.EscapeString(p.Name))
}

// signIn sends the browser to Sallyport, and remembers in this browser what was asked.
func (a *app) signIn(w http.ResponseWriter, r *http.Request, more ...oauth2.AuthCodeOption) {
	id, one := rand.Text(), attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), r.URL.Path}
	a.mu.Lock()
	a.attempts[id] = one
	a.mu.Unlock()
	a.setCookie(w, "attempt", id)
	more = append(more, oidc.Nonce(one.nonce), oauth2.S256ChallengeOption(one.verifier))
	http.Redirect(w, r, a.AuthCodeURL(one.state, more...), http.StatusFound)
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	one, ok := a.take(r)
	switch {
	case !ok || r.FormValue("state") != one.state:
		http.Error(w, "This sign-in began in another browser, or is over. Start again.", http.StatusBadRequest)
		return
	case r.FormValue("error") != "":
		http.Error(w, r.FormValue("error")+": "+r.FormValue("error_description"), http.StatusForbidden)
		return
	}
	p, err := a.redeem(r.Context(), r.FormValue("code"), one)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	id := rand.Text()
	a.mu.Lock()
	a.people[id] = p
	a.mu.Unlock()
	a.setCookie(w, "session", id)
	http.Redirect(w, r, one.to, http.StatusSeeOther)
}

// redeem exchanges a code for tokens, and checks the ID token.
func (a *app) redeem(ctx context.Context, code string, one attempt) (p person, err error) {
	token, err := a.Exchange(ctx, code, oauth2.VerifierOption(one.verifier))
	if err != nil {
		return p, err
	}
	p.idToken, _ = token.Extra("id_token").(string)
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.ClientID}).Verify(ctx, p.idToken)
	if err != nil {
		return p, err
	}
	if id.Nonce != one.nonce {
		return p, fmt.Errorf("the ID token belongs to another sign-in")
	}
	return p, id.Claims(&p)
}

// signOut forgets the person here, and sends them to Sallyport to sign out there.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	p, _ := a.person(r)
	if c, err := r.Cookie("session"); err == nil {
		a.mu.Lock()
		delete(a.people, c.Value)
		a.mu.Unlock()
	}
	q := url.Values{"id_token_hint": {p.idToken}, "post_logout_redirect_uri": {os.Getenv("ADDRESS") + "/signed-out"}}
	http.Redirect(w, r, a.logout+"?"+q.Encode(), http.StatusFound)
}

func (a *app) person(r *http.Request) (p person, ok bool) {
	if c, err := r.Cookie("session"); err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		p, ok = a.people[c.Value]
	}
	return p, ok
}

// take returns the sign-in that began in this browser, once.
func (a *app) take(r *http.Request) (one attempt, ok bool) {
	if c, err := r.Cookie("attempt"); err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		one, ok = a.attempts[c.Value]
		delete(a.attempts, c.Value)
	}
	return one, ok
}

func (a *app) setCookie(w http.ResponseWriter, name, value string) {
	secure := strings.HasPrefix(a.RedirectURL, "https:")
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode})
}
