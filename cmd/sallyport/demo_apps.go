package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// The demo's apps. The demo also plays the apps themselves, on hosts of their own, so that they can be opened: one uses OpenID
// Connect, and the other knows nothing and has a proxy in front of it.

// demoApp is an app of the demo, as the story tells it.
type demoApp struct {
	Name         string              `json:"name"`
	ID           string              `json:"id"`
	ClientID     string              `json:"client_id"`
	ClientSecret string              `json:"client_secret"`
	RedirectURIs []string            `json:"redirect_uris"`
	Hosts        []string            `json:"hosts"`
	APIKey       string              `json:"api_key"`
	Level        sallyport.Level     `json:"level"`
	Access       sallyport.AppAccess `json:"access"`
	origin       string
}

// demoProxies are trusted, because the demo plays a proxy itself.
var demoProxies = []string{"127.0.0.0/8", "::1"}

// demoGroups are the groups of each company, with the first letters of those who are in them.
var demoGroups = []struct{ name, people string }{{"Engineering", "o a m p g"}, {"Finance", "o a g"}}

// connect makes the owner of a company add its groups and apps.
func (d *demoSeed) connect(ctx context.Context, w *demoWorkspace) error {
	by, err := d.signedIn(ctx, w.Users[0])
	if err != nil {
		return err
	}
	finance, err := d.group(ctx, by, w)
	if err != nil {
		return err
	}
	charts := sallyport.App{AppDetails: sallyport.AppDetails{
		Name: "Charts", Address: demoOrigin("charts", w.URL) + "/", Colour: "#7a3ea8",
		Access: sallyport.AccessGroups, Groups: []string{finance}, Level: sallyport.LevelTwoFactor,
	}}
	charts.Client = sallyport.NewAppClient(demoOrigin("charts", w.URL) + "/callback")
	wiki := sallyport.App{AppDetails: sallyport.AppDetails{
		Name: "Wiki", Address: demoOrigin("wiki", w.URL) + "/", Colour: "#0f766e", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy,
	}}
	wiki.Proxy = sallyport.AppProxy{Hosts: []string{demoOrigin("wiki", w.URL)}, Rules: []string{"/about = public", "/settings = two_factor fresh:5"}, Tokens: true}
	for _, a := range []sallyport.App{charts, wiki} {
		if a, err = d.CreateApp(ctx, by, a); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		told := demoApp{Name: a.Name, ID: a.ID, RedirectURIs: []string{}, Hosts: append([]string{}, a.Proxy.Hosts...), Level: a.Level, Access: a.Access, origin: strings.TrimSuffix(a.Address, "/")}
		if a.Client != nil {
			secret, err := d.NewClientSecret(ctx, by, a.ID)
			if err != nil {
				return err
			}
			told.ClientID, told.ClientSecret, told.RedirectURIs = a.ID, secret.Reveal(), a.Client.RedirectURIs
		}
		w.Apps = append(w.Apps, told)
	}
	return nil
}

// group adds the groups of a company, and returns the id of the last one.
func (d *demoSeed) group(ctx context.Context, by sallyport.Caller, w *demoWorkspace) (id string, err error) {
	for _, g := range demoGroups {
		w.Groups = append(w.Groups, g.name)
		made, err := d.CreateGroup(ctx, by, g.name)
		if err != nil {
			return "", err
		}
		id = made.ID
		for _, u := range w.Users {
			if u.Password == "" || !strings.Contains(g.people, u.Email[:1]) {
				continue
			}
			if err := d.join(ctx, by, id, u.Email); err != nil {
				return "", fmt.Errorf("%s: %w", u.Email, err)
			}
		}
	}
	return id, nil
}

func (d *demoSeed) join(ctx context.Context, by sallyport.Caller, group, email string) error {
	var id string
	err := d.Store.Read(ctx, func(tx sallyport.Tx) error {
		u, _, err := tx.UserByAddress(by.Workspace().ID, email)
		id = u.ID
		return err
	})
	if err != nil {
		return err
	}
	return d.JoinGroup(ctx, by, group, id)
}

// demoOrigin returns the origin of an app of the company at an address.
func demoOrigin(app, company string) string {
	host := strings.TrimPrefix(company, "http://")
	return "http://" + app + "." + host
}

// app returns the demo's own answer to a request to the host of an app, or nil.
func (d *demo) app(r *http.Request) func(http.ResponseWriter, *http.Request) error {
	for _, w := range d.story.Workspaces {
		for _, a := range w.Apps {
			if a.origin != "http://"+r.Host {
				continue
			}
			if len(a.Hosts) > 0 {
				return func(rw http.ResponseWriter, r *http.Request) error { return d.wiki(rw, r, a) }
			}
			return func(rw http.ResponseWriter, r *http.Request) error { return d.charts(rw, r, w, a) }
		}
	}
	return nil
}

// wiki plays a proxy that asks about a request, and the app behind it, which shows what it is told.
func (d *demo) wiki(w http.ResponseWriter, r *http.Request, a demoApp) error {
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, d.story.at+"/api/authz/forward-auth", nil)
	if err != nil {
		return err
	}
	ask.Header = r.Header.Clone()
	for name, value := range map[string]string{"Method": r.Method, "Proto": "http", "Host": r.Host, "Uri": r.RequestURI} {
		ask.Header.Set("X-Forwarded-"+name, value)
	}
	ask.Header.Del("X-Forwarded-For")
	answer, err := demoTransport.RoundTrip(ask)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.StatusCode)
		_, err = io.Copy(w, answer.Body)
		return err
	}
	facts := [][2]string{{"Path", r.URL.Path}}
	for _, name := range []string{"Remote-User", "Remote-Name", "Remote-Groups"} {
		facts = append(facts, [2]string{name, answer.Header.Get(name)})
	}
	return showApp(w, a, text.Say("This app knows nothing about sign-in. The proxy in front of it asks Sallyport about each request, and passes on what it learns:"), facts,
		[][2]string{{"/settings", "A page that needs a fresh second factor"}, {"/about", "A page for everyone"}, {"/.sallyport/sign-out", "Sign out"}})
}

// charts plays an app that uses OpenID Connect. It keeps nothing: who signs in is shown at once.
func (d *demo) charts(w http.ResponseWriter, r *http.Request, company demoWorkspace, a demoApp) error {
	if r.URL.Path == "/callback" {
		return d.charted(w, r, company, a)
	}
	verifier := rand.Text() + rand.Text() // at least 43 characters (RFC 7636 section 4.1)
	sum := sha256.Sum256([]byte(verifier))
	http.SetCookie(w, &http.Cookie{Name: "charts", Value: verifier, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 600})
	http.Redirect(w, r, company.URL+"/oauth2/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {a.ClientID}, "redirect_uri": {a.RedirectURIs[0]}, "scope": {"openid profile email groups"},
		"state": {verifier[:10]}, "nonce": {verifier[10:20]}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}.Encode(), http.StatusFound)
	return nil
}

// charted exchanges the code of an answer for tokens, and shows what the ID token says.
func (d *demo) charted(w http.ResponseWriter, r *http.Request, company demoWorkspace, a demoApp) error {
	again := [][2]string{{"/", "Open the app again"}}
	q := r.URL.Query()
	verifier, err := r.Cookie("charts")
	switch {
	case q.Get("error") != "":
		return showApp(w, a, text.Say("Sallyport did not say who you are."), [][2]string{{"error", q.Get("error")}, {"error_description", q.Get("error_description")}}, again)
	case err != nil || len(verifier.Value) < 20 || q.Get("state") != verifier.Value[:10]:
		return showApp(w, a, text.Say("This address was opened by another app, or too late."), nil, again)
	}
	claims, err := d.exchange(r.Context(), company, a, q.Get("code"), verifier.Value)
	if err != nil {
		return err
	}
	var facts [][2]string
	for _, name := range []string{"sub", "name", "email", "groups", "amr", "acr", "auth_time"} {
		facts = append(facts, [2]string{name, string(claims[name])})
	}
	return showApp(w, a, text.Say("This app uses OpenID Connect. Sallyport has signed this about you:"), facts, again)
}

func (d *demo) exchange(ctx context.Context, company demoWorkspace, a demoApp, code, verifier string) (claims map[string]json.RawMessage, err error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": a.RedirectURIs, "code_verifier": {verifier}}
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, d.story.at+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	ask.Host = strings.TrimPrefix(company.URL, "http://")
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ask.SetBasicAuth(url.QueryEscape(a.ClientID), url.QueryEscape(a.ClientSecret))
	answer, err := demoTransport.RoundTrip(ask)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var tokens struct {
		IDToken string `json:"id_token"`
		Error   string `json:"error"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&tokens); err != nil {
		return nil, err
	}
	// It came straight from the server, so its signature need not be verified (OpenID Connect Core, section 3.1.3.7).
	_, payload, _ := strings.Cut(tokens.IDToken, ".")
	payload, _, _ = strings.Cut(payload, ".")
	content, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || tokens.IDToken == "" {
		return nil, errors.Join(errors.New("the demo's app got no ID token: "+tokens.Error), err)
	}
	return claims, json.Unmarshal(content, &claims)
}

// demoTransport is for requests of the demo's apps to the server.
var demoTransport = &http.Transport{ResponseHeaderTimeout: 10 * time.Second}

var (
	//go:embed demo_app.html
	demoAppHTML string

	demoAppTemplate = template.Must(template.New("").Funcs(text.English.Funcs()).Parse(demoAppHTML))
)

// showApp shows a page of one of the demo's apps.
func showApp(w http.ResponseWriter, a demoApp, says text.Message, facts, links [][2]string) error {
	var page bytes.Buffer
	if err := demoAppTemplate.Execute(&page, map[string]any{"App": a.Name, "Says": says, "Facts": facts, "Links": links}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(page.Bytes()) // the browser may be gone
	return nil
}
