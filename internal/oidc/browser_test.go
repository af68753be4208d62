package oidc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestInABrowser: a browser applies form-action to every redirect after a form, so each page on the way must name the app. Both
// ways of replying work with and without scripts.
func TestInABrowser(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!doctype html><title>App</title><h1>The app got %s by %s</h1>", map[bool]string{true: "a code", false: "none"}[r.FormValue("code") != ""], r.Method)
	}))
	defer app.Close()
	ada := person(s, "ada")
	v := s.Visitor()
	v.Enrol(&ada, "Phone")
	c := register(s, "Wiki", func(a *sallyport.App) { a.Client.RedirectURIs = []string{app.URL + "/cb"} })
	for name, look := range map[string]sallyporttest.Look{"scripts": {}, "no scripts": {NoScript: true}} {
		t.Run(name, func(t *testing.T) {
			s.Clock.Advance(time.Minute)
			b := sallyporttest.NewBrowser(t, s.URL, look)
			ask := func(changes map[string]string) string {
				changes["redirect_uri"] = app.URL + "/cb"
				return "/apps/continue?" + url.Values{"request": {c.waiting(changes)}}.Encode()
			}
			b.Open(ask(map[string]string{}))
			b.Fill("E-mail address", ada.Address)
			b.Fill("Password", ada.Password)
			b.Click("Sign in")
			s.Clock.Advance(time.Minute)
			b.Fill("6-digit code", ada.Code(s.Clock.Now()))
			b.Click("Continue")
			b.Sees("The app got a code by GET")
			b.Open(ask(map[string]string{"response_mode": "form_post"}))
			if look.NoScript {
				b.Click("Go on")
			}
			b.Sees("The app got a code by POST")
		})
	}
}

// waiting returns the id of a request that waits for the browser that opens it first.
func (c *client) waiting(changes map[string]string) string {
	p := c.code.Send(sallyporttest.Request{Method: "POST", Target: "/oauth2/authorize", Body: c.asking(changes).Encode(),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {"x=y"}}})
	u, _ := url.Parse(p.Location)
	return u.Query().Get("request")
}
